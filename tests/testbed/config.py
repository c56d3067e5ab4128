"""tenantd's configuration for a testbed: the one place that knows its shape."""
import copy
import secrets

import yaml

from . import parts
from .process import secret_file


def merge(base, patch):
    """base with patch laid over it, mapping by mapping; a value None removes the key."""
    result = copy.deepcopy(base)
    for key, value in (patch or {}).items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def region(bed, gateway, name="default", minio_endpoint=None, mongodb_uri=None):
    """One region on the backends of a testbed, as tenantd is to see them."""
    return {
        "name": name,
        "minio": {
            "endpoints": [minio_endpoint or bed.minio_endpoint],
            "access_key_file": str(bed.minio.admin_user_file),
            "secret_key_file": str(bed.minio.admin_secret_file),
            "region": bed.minio.region,
            "gateway_internal": gateway.internal_endpoint,
            "gateway_external": gateway.external_endpoint,
        },
        "mongodb": {
            "uri": mongodb_uri or bed.mongod.uri,
            "username_file": str(bed.mongod.admin_user_file),
            "password_file": str(bed.mongod.admin_password_file),
        },
        "gateway": {
            "deny_map_file": str(gateway.deny_map),
            "pid_file": str(gateway.pid_path),
        },
        "volume": {"driver": "none"},
    }


def render(state_dir, regions, port=0, patch=None):
    """The configuration as a dictionary. port 0: tenantd takes a free one and writes it to
    STATE_DIR/listeners."""
    master_key = state_dir.parent / "master.key"
    secret_file(master_key, lambda: secrets.token_hex(32))
    return merge({
        "state_dir": str(state_dir),
        "master_key_file": str(master_key),
        "plans_dir": str(parts.ROOT / "quota"),
        "policies_dir": str(parts.ROOT / "policies"),
        "listeners": [{"name": "control", "address": f"127.0.0.1:{port}",
                       "routes": ["runtime", "control", "ingest", "ops"]}],
        "regions": regions,
    }, patch)


def write(path, config):
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
