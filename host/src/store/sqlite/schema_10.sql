-- Line 10: a value of a provider is replaced in one transaction. It only adds: a program that knows line 8 may be running
-- beside; its own number is the counter's already.
CREATE TRIGGER value_replaced AFTER UPDATE OF version ON provider_values BEGIN
  UPDATE counters SET value = NEW.version WHERE name = 'provider_values' AND value < NEW.version;
END;
