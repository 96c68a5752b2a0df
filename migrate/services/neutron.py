"""Networks. Its agents carry tenants' traffic: they stay up while everything else is fenced."""

from collections.abc import Iterator

from migrate.services.backends import Backends, Options, Plugins, Refusal
from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, Vouches, majors
from migrate.services.reads import Reads
from migrate.services.rest import Allowed, Kind, Rest, Workers
from migrate.services.rules import Rules, Setting
from migrate.services.unit import HostUnit, Shipped, Unit

CONF = "/etc/neutron/neutron.conf"
CONF_D = "/etc/neutron/neutron.conf.d"  # every neutron process of the target looks there
ML2 = "/etc/neutron/plugins/ml2"
OVERLAY = "/etc/neutron/sidestep.conf"
RIGHTS = Shipped("neutron/rootwrap.conf", to="neutron/sidestep-rootwrap.conf")
ROOTWRAP = f"/etc/{RIGHTS.to}"
HELPERS = {"root_helper": "neutron-rootwrap", "root_helper_daemon": "neutron-rootwrap-daemon"}
FILES = ("--config-file", CONF, "--config-file", f"{ML2}/ml2_conf.ini")
BOTH = " ".join(FILES)
MAIN = f"--config-file {CONF} --config-file"
L3 = "neutron.services.l3_router.l3_router_plugin"

AGENT = "it changes the network of its host"
DRIVERS = ("openvswitch", "l2population", "logger")
CORE = ("ml2", "neutron.plugins.ml2.plugin.Ml2Plugin")
RIGHT = (
    f"{{tools}}/neutron-rootwrap {ROOTWRAP} *",
    f"{{tools}}/neutron-rootwrap-daemon {ROOTWRAP}",
)


def _helpers(overlay: str) -> tuple[Setting, ...]:
    """By which an agent does things as root."""
    return tuple(
        Setting(
            file=overlay,
            section="agent",
            option=option,
            value=f"sudo {{tools}}/{program} {ROOTWRAP}",
            why="the packages' program is of the source's release",
            source="measured in the lab",
        )
        for option, program in HELPERS.items()
    )


def _agent(name: str, kill: str = "mixed") -> HostUnit:
    """One of a network host; its settings are its own, since what its files name may be, too."""
    overlay = f"/etc/neutron/sidestep-{name}.conf"
    ends = Setting(
        file=overlay,
        section="DEFAULT",
        option="graceful_shutdown_timeout",
        value="5",
        why="its worker outlives a main process that is killed, for so long beside the next agent",
        source="read in cotyledon",
    )
    return HostUnit(
        name=f"neutron-{name}-agent",
        overlay=overlay,
        settings=(*_helpers(overlay), *([ends] if kill == "process" else [])),
        rights=RIGHT,
        rootwrap=RIGHTS,
        kill=kill,
    )


SWITCH = HostUnit(
    name="neutron-openvswitch-agent",
    overlay=OVERLAY,
    settings=(
        *_helpers(OVERLAY),
        Setting(
            file=OVERLAY,
            section="agent",
            option="minimize_polling",
            value="false",
            why="a start beside changes of ports removes the flows of before ahead of "
            "laying its own",
            source="measured in the lab, all servers of a host dark for 5 s",
        ),
    ),
    rights=RIGHT,
    rootwrap=RIGHTS,
)


def _drivers(given: Options) -> Iterator[Refusal]:
    """The core plugin and the drivers below it."""
    core = given.get("DEFAULT", "core_plugin", "ml2")
    if core not in CORE:
        yield Refusal(
            message=f"neutron's core_plugin is {core}, which no code here moves",
            remedy="Only ml2 is moved",
        )
    for name in given.listed("ml2", "mechanism_drivers"):
        if name not in DRIVERS:
            yield Refusal(
                message=f"neutron's mechanism driver {name} is not moved",
                remedy=f"Only {', '.join(DRIVERS[:2])} are; take {name} out once no port is bound "
                "by it",
            )


RECIPE = Recipe(
    project="neutron",
    versions=majors(21),
    user="neutron",
    databases=(DatabaseUrl("neutron", CONF, "database"),),
    source_control_units=(
        *("neutron-api", "neutron-server", "neutron-rpc-server", "neutron-periodic-workers"),
        "neutron-ovn-maintenance-worker",
    ),
    # who lists groups is given the first
    reads=Reads(units=("neutron-api",), act=("/security-groups", "/auto-allocated-topology")),
    succeeded_units=("neutron-server",),
    source_data_plane_units=(
        *("neutron-openvswitch-agent", "neutron-linuxbridge-agent", "neutron-dhcp-agent"),
        *("neutron-l3-agent", "neutron-metadata-agent", "neutron-metering-agent"),
        *("neutron-ovn-agent", "neutron-ovn-metadata-agent", "neutron-sriov-agent"),
    ),
    compute_units=("neutron-openvswitch-agent", "neutron-ovn-metadata-agent"),
    host_units=(SWITCH,),
    # the others plug into the bridge that the first makes
    network_units=(
        SWITCH,
        _agent("dhcp", kill="process"),  # what runs in name spaces outlives the exchange
        _agent("l3", kill="process"),
        _agent("metadata"),
    ),
    forwarding_units=(
        *("neutron-openvswitch-agent", "neutron-linuxbridge-agent", "neutron-sriov-agent"),
        *("neutron-ovn-agent", "neutron-ovn-metadata-agent"),
    ),
    queues=("q-plugin",),
    units=(
        Unit(
            "neutron-api",
            port=9696,
            module="neutron.wsgi.api:application",
            uwsgi=(f"env = OS_NEUTRON_CONFIG_FILES={CONF};{ML2}/ml2_conf.ini",),
            preload=("neutron.plugins.ml2.plugin", L3, "neutron.api.v2.router"),
            no_shadow="",
        ),
        Unit(
            "neutron-rpc-server",
            command=f"neutron-rpc-server {BOTH} {{log}}",
            preload=("neutron.plugins.ml2.plugin", L3),
            no_shadow="it works by the broker alone, and tells agents what to do",
        ),
        Unit(
            "neutron-periodic-workers",
            command=f"neutron-periodic-workers {BOTH} {{log}}",
            preload=("neutron.plugins.ml2.plugin", L3),
            no_shadow="it takes networks and routers from agents that are not heard",
        ),
        Unit(
            "neutron-openvswitch-agent",
            data_plane=True,
            no_shadow=AGENT,
            command=f"neutron-openvswitch-agent {MAIN} {ML2}/openvswitch_agent.ini {{log}}",
        ),
        # its dnsmasq and haproxy processes outlive a restart
        Unit(
            "neutron-dhcp-agent",
            data_plane=True,
            no_shadow=AGENT,
            command=f"neutron-dhcp-agent {MAIN} /etc/neutron/dhcp_agent.ini {{log}}",
            kill="process",
        ),
        Unit(
            "neutron-l3-agent",
            data_plane=True,
            no_shadow=AGENT,
            command=f"neutron-l3-agent {MAIN} /etc/neutron/l3_agent.ini {{log}}",
            kill="process",
        ),
        Unit(
            "neutron-metadata-agent",
            data_plane=True,
            no_shadow=AGENT,
            command=f"neutron-metadata-agent {MAIN} /etc/neutron/metadata_agent.ini {{log}}",
        ),
    ),
    named=(f"{ML2}/ml2_conf.ini",),
    configs=(
        Config(CONF),
        Config("/etc/neutron/server.conf.d/*.conf", to=CONF_D),
        Config("/etc/neutron/agent.conf.d/*.conf", to=CONF_D),
        Config(f"{ML2}/ml2_conf.ini"),
        Config(f"{ML2}/openvswitch_agent.ini"),
        Config("/etc/neutron/dhcp_agent.ini"),
        Config("/etc/neutron/l3_agent.ini"),
        Config("/etc/neutron/metadata_agent.ini"),
    ),
    # a neutron process reads several of these files as one, so they share their options
    namespaces=(
        *("neutron", "neutron.agent", "neutron.az.agent", "neutron.base.agent", "neutron.db"),
        *("neutron.dhcp.agent", "neutron.experimental", "neutron.extensions", "neutron.l3.agent"),
        *("neutron.metadata.agent", "neutron.ml2", "neutron.ml2.ovn", "neutron.ml2.ovs.agent"),
        *("nova.auth", "placement.auth", "ironic.auth", "designate.auth"),
        *("keystonemiddleware.auth_token", "oslo.cache", "oslo.concurrency", "oslo.db"),
        *("oslo.db.concurrency", "oslo.log", "oslo.messaging", "oslo.middleware"),
        *("oslo.middleware.cors", "oslo.middleware.http_proxy_to_wsgi", "oslo.policy"),
        *("oslo.privsep", "oslo.reports", "oslo.service", "oslo.service.periodic_task"),
        *("oslo.service.service", "oslo.service.sslutils", "oslo.service.wsgi", "osprofiler"),
        *("ovsdbapp", "oslo.versionedobjects"),
    ),
    policy="neutron",
    carried=("/etc/neutron/dnsmasq-neutron.conf",),
    pastes=("/etc/neutron/api-paste.ini",),
    shipped=(Shipped("neutron/api-paste.ini"),),
    rootwrap=True,
    rootwrap_daemon=True,
    apis=(ApiPort("neutron", 9696, types=("network",)),),
    rest=Rest(
        service="network",
        version="/v2.0",
        short="/networks?limit=1",
        turn=5,
        kinds=(
            Kind("network", "/networks", reference="network_id", states=("status",)),
            Kind("subnet", "/subnets", ordered=("dns_nameservers",)),
            Kind("subnet-pool", "/subnetpools", optional=True),
            Kind("address-scope", "/address-scopes", common=True, optional=True),
            Kind("address-group", "/address-groups", common=True, optional=True),
            Kind("port", "/ports", reference="port_id", states=("status",)),
            Kind("router", "/routers", optional=True, states=("status",)),
            Kind(
                "floating-ip",
                "/floatingips",
                optional=True,
                reference="floatingip_id",
                name="floating_ip_address",
                states=("status",),
            ),
            Kind(
                "port-forwarding",
                "/floatingips/{id}/port_forwardings",
                each="floating-ip",
                optional=True,
            ),
            Kind("security-group", "/security-groups", reference="security_group_id"),
            Kind("security-group-rule", "/security-group-rules"),
            Kind(
                "agent",
                "/agents",
                admin=True,
                allowed=(
                    Allowed("heartbeat_timestamp", "the time of a heartbeat"),
                    Allowed("started_at", "agents may be restarted to reconnect"),
                    Allowed(
                        "alive", "heartbeats are judged by their time, after the release of writes"
                    ),
                    Allowed("resources_synced", "told again by the agent after it reconnected"),
                    Allowed("configurations.*", "told by the agent itself with every heartbeat"),
                    Allowed(field="", change="added", reason="the target's own agents"),
                ),
            ),
            Kind("network-quota", "/quotas/{id}", one="quota", each="project", admin=True),
            Kind("rbac-policy", "/rbac-policies", optional=True),
            Kind("qos-policy", "/qos/policies", optional=True),
            Kind("trunk", "/trunks", optional=True),
            Kind("segment", "/segments", admin=True, optional=True),
        ),
        workers=Workers(
            path="/agents",
            list="agents",
            kind="agent",
            at=("heartbeat_timestamp",),
            up=("alive", True),
            enabled=("admin_state_up", True),
        ),
    ),
    # heads do not prove it: neutron-db-manage upgrades every project installed beside neutron, too
    sync=(
        Tool(argv=("neutron-db-manage", *FILES, "upgrade", "--expand")),
        Tool(argv=("neutron-db-manage", *FILES, "upgrade", "--contract")),
    ),
    sync_preload=("neutron.db.migration.models.head", "neutron.plugins.ml2.plugin"),
    status_check=Tool(argv=("neutron-status", *FILES, "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads("neutron", "neutron/db/migration/alembic_migrations/versions"),),
    rules=Rules(
        settings=(
            Setting(
                file="/etc/neutron/neutron.conf",
                section="agent",
                option="root_helper",
                value="sudo {tools}/neutron-rootwrap /etc/neutron/rootwrap.conf",
                why="the rights in sudoers name the program in the release's folder",
                source="infra/controller/units.py",
            ),
            Setting(
                file=f"{ML2}/openvswitch_agent.ini",
                section="agent",
                option="minimize_polling",
                value="false",
                why="else an agent that starts while ports come and go leaves servers dark for 5 s",
                source="measured in the lab, with it 0 of 6 starts lost a ping",
            ),
        ),
        own_host=True,
    ),
    vouches=Vouches(receives="neutron-server"),
    packages=("conntrack", "dnsmasq-base", "ipset", "iptables", "iputils-arping", "net-tools"),
    backends=Backends(
        program="neutron-server",
        judge=_drivers,
        plugins=(
            Plugins(group="neutron.service_plugins", section="DEFAULT", option="service_plugins"),
            Plugins(
                group="neutron.ml2.extension_drivers", section="ml2", option="extension_drivers"
            ),
            Plugins(group="neutron.ml2.type_drivers", section="ml2", option="type_drivers"),
        ),
    ),
)
