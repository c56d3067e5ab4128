/* The program tenantctl: everything is in the room ctl, so that tests can link it. */
#include "ctl/ctl.h"

int
main(int argc, char **argv)
{
	return ctl_main(argc, argv);
}
