"""Every store: the contract, what each promises beyond it, disks and servers that fail, power failures."""
