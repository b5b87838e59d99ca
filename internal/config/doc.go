// Package config finds out how a function app is configured: one resolver for
// the host and for the command line, so that both look at the same hub.
//
//	directory --upwards--> root: nearest host.json, else nearest local.settings.json
//	local.settings.json Values  <  process environment          = app settings
//	host.json (v1 or v2 place)  <  AzureFunctionsJobHost__…     = host settings
//	host settings  <  command-line flags                        = Config
//
// A value that is wrong never hides the next one: Load reports all mistakes at
// once, each with its file and key. Every value knows where it came from.
//
// The package reads files and the environment it is given; nothing else in the
// program does. It never writes a file, and no message of it holds the value of
// an app setting.
package config
