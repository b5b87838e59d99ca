// Package hubs hides how a process holds the hubs of a data folder, or gets at
// them when another one holds them: the store and its lock, an engine for each
// hub that is in use, the audit around them, keys, the endpoint by which the
// command line of the machine finds a host, checks, backups and restores.
//
//	host, cmd/perdure -> Open -> New -> Run -> Hub, as a party has it: ForProgram, ForCallers
//	cmd/perdure -> Connect, Check, Backup, ...: here if nobody has the store, else by the endpoint
package hubs
