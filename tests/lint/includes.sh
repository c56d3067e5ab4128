#!/usr/bin/env bash
# Arrows between rooms point only down (cmake/arrows.txt), and a foreign header stands in
# its one room, never in a public header.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Header pattern, and the rooms that may include it. jansson: in .c files only.
FOREIGN=(
	'curl/*:base'
	'openssl/*:base'
	'yaml.h:base'
	'systemd/*:base'
	'lmdb.h:store'
	'microhttpd.h:api'
	'mongoc/*:mongo'
	'bson/*:mongo'
	'argon2.h:minio'
	'seccomp.h:main'
	'jansson.h:api policies minio kube meter ctl lvm'
	'cyaml/*:'
	'cmocka.h:'
)

check_room()
{
	local file=$1 line=$2 own=$3 header=$4 target=${4%%/*}

	case $header in
	../* | */../* | ./*)
		bad "$file:$line: \"$header\": no paths with dots; \"room/header.h\""
		return
		;;
	esac
	if [[ $header != */* ]]; then
		[ -f "${file%/*}/$header" ] ||
			bad "$file:$line: \"$header\" is not in this room: \"room/$header\""
		return
	fi
	[ "$own" = main ] || [ "$target" = "$own" ] && return
	if [ -z "${ARROWS[$target]+x}" ]; then
		[ -f "${file%/*}/$header" ] || bad "$file:$line: there is no room $target"
	elif [[ ${ARROWS[$own]} != *" $target "* ]]; then
		bad "$file:$line: $own may not use $target (cmake/arrows.txt)"
	fi
}

check_foreign()
{
	local file=$1 line=$2 own=$3 header=$4 rule pattern rooms

	for rule in "${FOREIGN[@]}"; do
		pattern=${rule%%:*} rooms=${rule#*:}
		# shellcheck disable=SC2053 # a pattern on purpose
		[[ $header == $pattern ]] || continue
		[[ " $rooms " == *" $own "* ]] ||
			bad "$file:$line: <$header> belongs to: ${rooms:-tests only}"
		[ "$header" != jansson.h ] || [[ $file == *.c ]] ||
			bad "$file:$line: <jansson.h> only in .c files"
		[[ $'\n'$PUBLIC$'\n' != *$'\n'$file$'\n'* ]] ||
			bad "$file:$line: <$header> in a public header"
	done
}

PUBLIC=$(for r in "${!ARROWS[@]}"; do public_headers "$r"; done)

while IFS= read -r f; do
	own=$(room_of "$f")
	[ -n "$own" ] || continue
	[ "$own" = main ] || [ -n "${ARROWS[$own]+x}" ] || { bad "$f: no such room: $own" && continue; }
	while IFS=: read -r line text; do
		header=$(sed -E 's/^[^"<]*["<]([^">]*)[">].*/\1/' <<<"$text")
		if [[ $text == *\"* ]]; then
			check_room "$f" "$line" "$own" "$header"
		else
			check_foreign "$f" "$line" "$own" "$header"
		fi
	done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$f")
done < <(files '*.c' '*.h')
finish
