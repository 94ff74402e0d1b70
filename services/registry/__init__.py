"""The registry: identity, custody and balance of every metering device."""
