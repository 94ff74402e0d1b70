"""monitoring watches what is in service: overheating, burn risk, online state, chargers. Its place; not built yet.

It decides    when a precursor is an alert and an alert a work order, what state a device is in or that this cannot be
              told, and which population a sample speaks for. Telemetry itself is no event
Streams       alert-<id>, population-<id>, charger-<id>
Public events alerts confirmed or denied, work orders, status evaluations, faults of chargers
It listens to claims (a confirmed batch problem raises its siblings' scores; a laboratory's result on a burnt device
              confirms or denies its alert), registry (what was dismantled, and why)
"""
