package config

import (
	"fmt"
	"strings"
)

// Provider names a kind of store.
type Provider string

// Embedded keeps everything in a folder: no server, no connection.
const Embedded Provider = "embedded"

// otherProviders says why a known provider cannot be used, by lower-case name.
var otherProviders = map[string]string{
	"postgres":     "the postgres provider is not in this build yet; use embedded",
	"azurestorage": "the azureStorage provider is for managing existing hubs only and is not in this build yet; use embedded",
	"mssql":        "MSSQL storage provider is not yet supported; use embedded, or manage that hub through its app's HTTP API",
	"netherite":    "Netherite storage provider is not yet supported; use embedded, or manage that hub through its app's HTTP API",
	"azuremanaged": "azureManaged (Durable Task Scheduler) is not yet supported; use embedded, or manage that hub through its app's HTTP API",
}

// provider resolves the kind of store: storageProvider.type, else what the
// connection string looks like, else embedded (docs/contracts/config.md 7.2).
func (c *Config) provider(settings tree, app appSettings, flag string, report func(Problem)) {
	c.Provider = Embedded
	if l, ok := settings["storageprovider:type"]; ok && l.kind == scalar && l.text != "" {
		if err := checkProvider(l.text); err != nil {
			report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
		}
		c.note("storageProvider.type", strings.ToLower(l.text), l.origin())
		return
	}
	connection, where := connectionName(settings, flag)
	value, source, ok := app.connection(connection)
	switch {
	case ok:
		if err := checkConnection(value); err != nil {
			report(Problem{Source: source, Text: err.Error()})
		}
	case flag != "":
		report(Problem{Source: "--connection-string-setting", Text: "there is no app setting " + quoteName(flag) + "; the flag takes the name of a setting, not a connection string"})
	case where != "":
		report(Problem{Source: where, Text: "there is no app setting " + quoteName(connection)})
	}
	c.note("storageProvider.type", string(Embedded), "default")
}

func checkProvider(name string) error {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == string(Embedded) {
		return nil
	}
	if reason, ok := otherProviders[name]; ok {
		return fmt.Errorf("%s", reason)
	}
	return fmt.Errorf("storage provider %q is not known; known are embedded, postgres, azureStorage", name)
}

// connectionName returns the name of the setting that holds the connection
// string, and where that name was written, "" for the default.
func connectionName(settings tree, flag string) (name, where string) {
	if flag != "" {
		return flag, "--connection-string-setting"
	}
	for _, key := range []string{"storageprovider:connectionname", "storageprovider:connectionstringname"} {
		if l, ok := settings[key]; ok && l.kind == scalar && l.text != "" {
			return l.text, l.origin()
		}
	}
	return "AzureWebJobsStorage", ""
}

// connection looks a connection up by name, in the host's order
// (docs/contracts/config.md 7): Storage finds AzureWebJobsStorage.
func (s appSettings) connection(name string) (value, source string, ok bool) {
	for _, candidate := range []string{"ConnectionStrings:AzureWebJobs" + name, "AzureWebJobs" + name, "ConnectionStrings:" + name, name} {
		if value, source, ok = s.find(candidate); ok {
			return value, source, true
		}
	}
	return "", "", false
}

// checkConnection reports why a connection string cannot be used. Its text
// never becomes part of the message.
func checkConnection(value string) error {
	lower := strings.ToLower(strings.TrimSpace(value))
	switch {
	case strings.HasPrefix(lower, "usedevelopmentstorage=true"):
		return nil
	case strings.HasPrefix(lower, "postgres://"), strings.HasPrefix(lower, "postgresql://"):
		return fmt.Errorf("holds a PostgreSQL connection: %s", otherProviders["postgres"])
	case strings.Contains(lower, "accountname="), strings.HasPrefix(lower, "defaultendpointsprotocol="), strings.Contains(lower, "sharedaccesssignature="):
		return fmt.Errorf(`holds an Azure Storage connection, which is not supported here; remove it, or set storageProvider.type to "embedded" in host.json`)
	case strings.HasPrefix(lower, "endpoint="), strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"), strings.HasPrefix(lower, "grpc://"):
		return fmt.Errorf("holds the address of a remote engine, which is not supported yet; remove it")
	}
	return fmt.Errorf(`is not a connection string that is known here; remove it, or set storageProvider.type to "embedded" in host.json`)
}

// quoteName quotes the name of a setting, unless it looks like a connection
// string that was given in its place: secrets are never echoed.
func quoteName(name string) string {
	if strings.ContainsAny(name, "=;/@") || len(name) > 64 {
		return "of that name"
	}
	return fmt.Sprintf("%q", name)
}
