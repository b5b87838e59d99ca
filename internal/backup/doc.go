// Package backup keeps copies of the files of a store in a folder, of which a
// half made one never counts:
//
//	<dir>/backup.json     what the backup is of, and its files: path, length, SHA-256
//	<dir>/files/<SHA-256> the content of one or more of them
//	<dir>/lock            held by the process that writes a backup
//
// A folder holds one backup, the newest. A file's name is its checksum, so no
// backup ever writes over what an earlier one needs: content is added first,
// backup.json is replaced after that, in one step, and what it does not name is
// removed last. Whatever ends a backup before that step, the one before is as
// good as it was.
//
// It knows nothing of what the files mean.
package backup
