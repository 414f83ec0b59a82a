"""Azure Resource Manager: the operations, one file a resource type, and the front door they share."""
