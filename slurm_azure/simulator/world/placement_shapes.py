"""What the bodies of scale sets, proximity placement groups, capacity reservations and availability sets hold.

Members, spellings and enumerations: Microsoft.Compute 2024-07-01 (virtualMachineScaleSet.json, proximityPlacementGroup.json,
capacityReservation.json, availabilitySet.json) and what 2026-04-01 added (azure-mgmt-compute 39.0.0).
"""

from __future__ import annotations

from slurm_azure.simulator.world.shapes import shapes
from slurm_azure.simulator.world.vm_shapes import TYPES

_TABLE = """
Sku sku
  name text
  tier text
  capacity int 0..100000
ProximityPlacementGroup
  id read
  name read
  type read
  systemData read
  location text
  tags {text}
  zones [text]
  properties ProximityPlacementGroupProperties
ProximityPlacementGroupProperties
  proximityPlacementGroupType Standard|Ultra
  virtualMachines read
  virtualMachineScaleSets read
  availabilitySets read
  colocationStatus read
  intent Intent
Intent intent
  vmSizes [text]
CapacityReservationGroup
  id read
  name read
  type read
  systemData read
  location text
  tags {text}
  zones [text]
  properties CapacityReservationGroupProperties
CapacityReservationGroupProperties
  capacityReservations read
  virtualMachinesAssociated read
  instanceView read
  sharingProfile SharingProfile
  reservationType Targeted|Block|Open
SharingProfile sharingProfile
  subscriptionIds [Reference]
CapacityReservation
  id read
  name read
  type read
  systemData read
  location text
  tags {text}
  zones [text]
  sku Sku
  properties CapacityReservationProperties
CapacityReservationProperties
  reservationId read
  platformFaultDomainCount read
  virtualMachinesAssociated read
  provisioningTime read
  provisioningState read
  instanceView read
  timeCreated read
  scheduleProfile any
AvailabilitySet
  id read
  name read
  type read
  systemData read
  location text
  tags {text}
  sku Sku
  properties AvailabilitySetProperties
AvailabilitySetProperties
  platformUpdateDomainCount int 1..20
  platformFaultDomainCount int 1..3
  virtualMachines read
  proximityPlacementGroup Reference
  statuses read
  scheduledEventsPolicy ScheduledEventsPolicy
  virtualMachineScaleSetMigrationInfo read
VirtualMachineScaleSet
  id read
  name read
  type read
  etag read
  systemData read
  location text
  tags {text}
  zones [text]
  sku Sku
  plan Plan
  identity Identity
  extendedLocation ExtendedLocation
  placement Placement
  properties ScaleSetProperties
ScaleSetProperties
  provisioningState read
  uniqueId read
  timeCreated read
  upgradePolicy UpgradePolicy
  scheduledEventsPolicy ScheduledEventsPolicy
  automaticRepairsPolicy AutomaticRepairsPolicy
  virtualMachineProfile any
  overprovision flag
  doNotRunExtensionsOnOverprovisionedVMs flag
  singlePlacementGroup flag
  zoneBalance flag
  platformFaultDomainCount int 1..5
  proximityPlacementGroup Reference
  hostGroup Reference
  additionalCapabilities AdditionalCapabilities
  scaleInPolicy ScaleInPolicy
  orchestrationMode Uniform|Flexible
  spotRestorePolicy SpotRestorePolicy
  priorityMixPolicy PriorityMixPolicy
  constrainedMaximumCapacity flag
  resiliencyPolicy any
  zonalPlatformFaultDomainAlignMode Aligned|Unaligned|BestEffortAligned
  skuProfile SkuProfile
  highSpeedInterconnectPlacement None|Trunk
UpgradePolicy upgradePolicy
  mode Automatic|Manual|Rolling
  rollingUpgradePolicy any
  automaticOSUpgradePolicy any
AutomaticRepairsPolicy automaticRepairsPolicy
  enabled flag
  gracePeriod text
  repairAction Replace|Restart|Reimage
ScaleInPolicy scaleInPolicy
  rules [Default|OldestVM|NewestVM]
  forceDeletion flag
  prioritizeUnhealthyVMs flag
SpotRestorePolicy spotRestorePolicy
  enabled flag
  restoreTimeout text
PriorityMixPolicy priorityMixPolicy
  baseRegularPriorityCount int
  regularPriorityPercentageAboveBase int 0..100
SkuProfile skuProfile
  vmSizes [SkuProfileVMSize]
  allocationStrategy LowestPrice|CapacityOptimized|Prioritized
SkuProfileVMSize skuProfile.vmSizes
  name text
  rank int
"""

_TYPES = shapes(_TABLE, TYPES)
PROXIMITY_PLACEMENT_GROUP = _TYPES["ProximityPlacementGroup"]
CAPACITY_RESERVATION_GROUP = _TYPES["CapacityReservationGroup"]
CAPACITY_RESERVATION = _TYPES["CapacityReservation"]
AVAILABILITY_SET = _TYPES["AvailabilitySet"]
SCALE_SET = _TYPES["VirtualMachineScaleSet"]
