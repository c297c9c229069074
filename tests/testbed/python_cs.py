"""Lists the names of all VMs by the `cs` client: python_cs.py ENDPOINT KEY SECRET."""

import sys

from cs import CloudStack

endpoint, key, secret = sys.argv[1:]
cloud = CloudStack(endpoint=endpoint, key=key, secret=secret)
for vm in cloud.listVirtualMachines(
    listall="true", projectid="-1", details="group,nics", fetch_list=True
):
    print(vm["name"])
