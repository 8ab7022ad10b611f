"""The bridge to devices: links, Modbus, MQTT, one file a device, and their virtual twins."""
