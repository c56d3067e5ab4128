# What `cmake --install` puts where; docs/operations.md has the list for people, and
# tests/service/test_install.py holds both together. Folders are GNUInstallDirs'; state is always
# in /var/lib/tenantd, which systemd's StateDirectory= makes.

include_guard()

set(TD_CONFIG_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/tenantd)
set(TD_DATA_DIR ${CMAKE_INSTALL_DATADIR}/tenantd)
# Relative: below the prefix, where systemd looks as well for /usr/local as for /usr.
set(TD_SYSTEMD_DIR lib CACHE STRING "Folder of systemd/system, sysusers.d and tmpfiles.d")

# td_configured(TEMPLATE DESTINATION NAME): fills the @WORDS@ of a template and installs it.
function(td_configured template destination name)
	get_filename_component(made ${template} NAME_WLE)
	set(made ${CMAKE_BINARY_DIR}/install/${made})
	configure_file(${CMAKE_SOURCE_DIR}/${template} ${made} @ONLY)
	install(FILES ${made} DESTINATION ${destination} RENAME ${name})
endfunction()

install(TARGETS tenantd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS tenantctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

install(DIRECTORY policies/ DESTINATION ${TD_DATA_DIR}/policies FILES_MATCHING
	PATTERN "*.yaml" PATTERN gateway EXCLUDE)
install(DIRECTORY quota/ DESTINATION ${TD_DATA_DIR}/quota FILES_MATCHING PATTERN "*.yaml")
install(PROGRAMS policies/gateway/render DESTINATION ${TD_DATA_DIR}/gateway)
install(FILES policies/gateway/headers.refused policies/gateway/nginx.conf.in
	policies/gateway/server.conf.in DESTINATION ${TD_DATA_DIR}/gateway)

install(PROGRAMS deploy/minio-identity.py deploy/mongodb-identity.py
	DESTINATION ${TD_DATA_DIR}/deploy)
install(FILES deploy/minio-admin-policy.json deploy/mongodb-tenantd-role.json
	DESTINATION ${TD_DATA_DIR}/deploy)

td_configured(deploy/systemd/tenantd.service.in ${TD_SYSTEMD_DIR}/systemd/system
	tenantd.service)
td_configured(deploy/systemd/sysusers.conf.in ${TD_SYSTEMD_DIR}/sysusers.d tenantd.conf)
td_configured(deploy/systemd/tmpfiles.conf.in ${TD_SYSTEMD_DIR}/tmpfiles.d tenantd.conf)

install(FILES LICENSE NEWS.md docs/operations.md docs/gateway.md docs/policies.md
	docs/api/openapi.yaml DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Manual pages and completion: what the programs' own tables can tell comes from them.
set(manuals)
# td_manual(PAGE SECTION [PROGRAM ARGUMENT])
function(td_manual page section)
	set(template ${CMAKE_SOURCE_DIR}/docs/man/${page}.${section}.in)
	set(out ${CMAKE_BINARY_DIR}/man/${page}.${section})
	set(generate)
	if(ARGN)
		list(GET ARGN 0 program)
		list(GET ARGN 1 argument)
		set(generate -DPROGRAM=$<TARGET_FILE:${program}> -DARGUMENT=${argument})
	endif()
	set(words)
	foreach(word PROJECT_VERSION TD_CONFIG_DIR CMAKE_INSTALL_FULL_DATADIR
			CMAKE_INSTALL_FULL_DOCDIR)
		list(APPEND words -D${word}=${${word}})
	endforeach()
	add_custom_command(OUTPUT ${out}
		COMMAND ${CMAKE_COMMAND} -DTEMPLATE=${template} -DOUT=${out} ${generate} ${words}
			-P ${CMAKE_SOURCE_DIR}/cmake/manual.cmake
		DEPENDS ${template} ${program} ${CMAKE_SOURCE_DIR}/cmake/manual.cmake
		VERBATIM)
	install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
	set(manuals ${manuals} ${out} PARENT_SCOPE)
endfunction()

td_manual(tenantctl 1 tenantctl --help=man)
td_manual(tenantd.yaml 5 tenantd --print-config=man)
td_manual(tenantd 8)

set(completion ${CMAKE_BINARY_DIR}/install/tenantctl.bash)
add_custom_command(OUTPUT ${completion}
	COMMAND tenantctl --help=bash >${completion} DEPENDS tenantctl)
install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
	RENAME tenantctl)
add_custom_target(manuals ALL DEPENDS ${manuals} ${completion})

install(FILES deploy/prometheus/tenantd.rules.yml DESTINATION ${TD_DATA_DIR}/prometheus)
install(FILES deploy/grafana/tenantd.json DESTINATION ${TD_DATA_DIR}/grafana)
