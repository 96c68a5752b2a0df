"""A request that a client of EC2 has signed, for keystone to judge as its EC2 service would ask."""

from __future__ import annotations

import hashlib
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HOST = "ec2.example.com:8773"  # whom the client called: no such service need be there


def signed(access: str, secret: str) -> dict[str, Any]:
    """The `credentials` of POST /v3/ec2tokens, signed by botocore with *secret*."""
    request = AWSRequest("GET", f"http://{HOST}/")
    SigV4Auth(Credentials(access, secret), "ec2", "RegionOne").add_auth(request)
    headers = dict(request.headers)
    return {
        "access": access,
        "signature": headers["Authorization"].rpartition("Signature=")[2],
        "host": HOST,
        "verb": "GET",
        "path": "/",
        "params": {},
        "headers": {**headers, "Host": HOST},
        "body_hash": hashlib.sha256(b"").hexdigest(),
    }
