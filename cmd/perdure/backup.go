package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/internal/backup"
	"github.com/perdure/perdure/internal/hubs"
)

func (t *tool) backup() *cobra.Command {
	cmd := t.newCommand("backup DIR", "Back up the store into a folder, while the app runs or not", "perdure backup /mnt/backups/shop")
	cmd.Long = cmd.Short + `. The folder holds the newest backup; what is in it already
is not copied again. If the app runs, it writes the folder, on its machine and as its user.`
	dir := t.takesFolder(cmd, "folder of the backup")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if t.url != "" {
			return usage("backup goes with no address of a host: run it on the machine of the store, with --data-dir")
		}
		cfg, err := t.config()
		if err != nil {
			return err
		}
		t.tell(cfg)
		b, err := hubs.Backup(cmd.Context(), cfg, *dir)
		if err != nil {
			return t.notHere(cfg, err)
		}
		text := fmt.Sprintf("Backed up %s to %s: %s, of which %s were copied", cfg.DataDir, *dir, size(b.Bytes()), size(b.CopiedBytes))
		return t.show(sentence(text, object{
			{"folder", *dir}, {"made", second(b.Made)}, {"commits", b.Commits}, {"files", len(b.Files)}, {"bytes", b.Bytes()},
			{"copiedFiles", b.CopiedFiles}, {"copiedBytes", b.CopiedBytes},
		}))
	}
	cmd.AddCommand(t.backupVerify())
	return cmd
}

func (t *tool) backupVerify() *cobra.Command {
	cmd := t.newCommand("verify DIR", "Read a whole backup and compare it with its checksums", "perdure backup verify /mnt/backups/shop")
	dir := t.takesFolder(cmd, "folder of the backup")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b, err := hubs.VerifyBackup(cmd.Context(), *dir)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("The backup in %s is whole: %s, made %s", *dir, size(b.Bytes()), second(b.Made))
		return t.show(sentence(text, backupMembers(*dir, b)))
	}
	return cmd
}

func backupMembers(dir string, b *backup.Backup) object {
	return object{{"folder", dir}, {"made", second(b.Made)}, {"commits", b.Commits}, {"files", len(b.Files)}, {"bytes", b.Bytes()}}
}

// takesFolder makes a folder, as an absolute path, the command's only word.
func (t *tool) takesFolder(cmd *cobra.Command, what string) *string {
	dir := new(string)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) == 0 || args[0] == "" {
			return syntax("%s: the %s is required", cmd.Name(), what)
		}
		if len(args) > 1 {
			return syntax("%s takes no argument %q", cmd.Name(), args[1])
		}
		*dir, err = filepath.Abs(t.path(args[0]))
		return err
	}
	return dir
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
