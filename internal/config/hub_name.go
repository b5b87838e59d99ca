package config

// DefaultHubName is the hub of an app that names none, on every surface.
const DefaultHubName = "DurableFunctionsHub"
