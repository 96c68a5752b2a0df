"""The steps on two real machines: MariaDB, RabbitMQ, HAProxy, keepalived, keystone and glance."""
