"""Contract suites: one for each kind of component. Subclass one in your tests and give it the fixture it asks for."""
