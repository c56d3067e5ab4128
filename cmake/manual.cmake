# cmake -DTEMPLATE=... -DOUT=... [-DPROGRAM=... -DARGUMENT=...] -D... -P manual.cmake: fills the
# @WORDS@ of a manual page; @GENERATED@ is what the program prints.
if(PROGRAM)
	execute_process(COMMAND ${PROGRAM} ${ARGUMENT} OUTPUT_VARIABLE GENERATED
		OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
configure_file(${TEMPLATE} ${OUT} @ONLY)
