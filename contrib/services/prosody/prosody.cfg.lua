-- Prosody, for Tails Server. Text is written with its quotes.
admins = { }
pidfile = "/run/prosody/prosody.pid"
data_path = "/var/lib/prosody"

-- This computer alone, and people alone: other servers can not be reached past Tor, nor reach it.
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { {{ port.client.target }} }
c2s_direct_tls_ports = { }
s2s_ports = { }
s2s_direct_tls_ports = { }
component_ports = { }
http_ports = { }
https_ports = { }

modules_enabled = {
    "blocklist";
    "bookmarks";
    "carbons";
    "csi_simple";
    "disco";
    "pep";
    "ping";
    "private";
    "register";
    "roster";
    "saslauth";
    "smacks";
    "tls";
    "vcard4";
    "vcard_legacy";
{% if option.history != "none" %}
    "mam";
{% endif %}
{% if option.motd %}
    "motd";
{% endif %}
}
-- All visitors come from 127.0.0.1: there is no "limits", and nobody is trusted for the address.
modules_disabled = { "s2s", "dialback", "admin_shell", "http" }

authentication = "internal_hashed"
allow_registration = {{ option.registration }}
registration_allowlist = { }
-- Tor encrypts already; a client that wants TLS gets it.
c2s_require_encryption = false
ssl = {
    key = {{ key_pair.server.secret }};
    certificate = {{ key_pair.server.public }};
}

{% if option.history == "day" %}
archive_expires_after = "1d"
{% elif option.history == "week" %}
archive_expires_after = "1w"
{% endif %}
{% if option.motd %}
motd_text = {{ option.motd }}
{% endif %}

-- What is not written down can not be found.
log = { { levels = { min = "error" }, to = "console" } }

VirtualHost {{ address }}

{% if option.rooms %}
Component {{ "rooms." ~ address }} "muc"
    name = "Rooms"
    restrict_room_creation = "local"
    muc_log_by_default = false
{% endif %}
