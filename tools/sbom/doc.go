// Package sbom holds the tool that lists what is linked into the programs, with
// licences: `make sbom`. It is a module of its own, since the tool needs many.
package sbom
