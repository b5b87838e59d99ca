package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hubs"
)

func (t *tool) restore() *cobra.Command {
	cmd := t.newCommand("restore DIR --data-dir NEW", "Make a store of a backup, in a new folder", "perdure restore /mnt/backups/shop --data-dir /srv/shop/.perdure")
	cmd.Long = cmd.Short + `. Every checksum is verified. What happened after the backup is gone,
and activities that had no result then run when the app does, again if they had run.`
	dir := t.takesFolder(cmd, "folder of the backup")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if t.dataDir == "" {
			return syntax("--data-dir is required: the folder that becomes the store")
		}
		to, err := filepath.Abs(t.path(t.dataDir))
		if err != nil {
			return err
		}
		b, restored, err := hubs.Restore(cmd.Context(), *dir, to)
		if err != nil {
			return err
		}
		text := []string{
			fmt.Sprintf("Restored %s into %s: %s", *dir, to, size(b.Bytes())),
			fmt.Sprintf("The backup was made %s; what happened after that is gone", second(b.Made)),
		}
		rows := []row{{"TASK HUB", "LIVE INSTANCES", "RUN AGAIN", "OVERDUE TIMERS"}}
		var told []any
		for _, h := range restored {
			live := unended(h)
			text = append(text, fmt.Sprintf("Task hub %s: instances that have not ended: %d; once its app runs, timers that are overdue fire: %d, and activities that had no result run, again if they had run: %s",
				h.Name, live, h.Overdue, hubs.ActivityText(h.Activities)))
			rows = append(rows, row{h.Name, fmt.Sprint(live), hubs.ActivityText(h.Activities), fmt.Sprint(h.Overdue)})
			told = append(told, object{{"taskHub", h.Name}, {"liveInstances", live}, {"activities", h.Activities}, {"overdueTimers", h.Overdue}})
		}
		text = append(text, "keys.json is as it was then: take out again what was taken out since")
		document := backupMembers(*dir, b).concat(object{{"dataDir", to}, {"taskHubs", told}})
		return t.show(result{document: document, rows: rows, legacy: lines(text), usual: "legacy"})
	}
	return cmd
}

// unended is how many instances of a restored hub go on.
func unended(h hubs.RestoredHub) (n int64) {
	for status, count := range h.Counts {
		if status != history.Unknown && !status.Terminal() {
			n += count
		}
	}
	return n
}
