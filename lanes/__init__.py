"""What an inspection is: pure rules and values. No I/O, no clock, no await, no logging."""
