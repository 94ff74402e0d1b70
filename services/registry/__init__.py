"""registry owns identity, custody and balance of every metering device.

It decides    who a device is, who holds it, what may be done to it, and when its life ends
Streams       meter-<asset_no>, shipment-<id>, container-<id>, site-<id>, stocktake-<site>,
              plan-<unit>-<period>
Public events every one that moves custody or ends a life (proto/registry/v1/registry.proto)
It listens to sorting (verdicts, repair orders and certificates are grounds of a release); approvals still arrive as
              RecordPrecondition
"""
