//go:build unix

package private

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// stranger is a user that is neither us nor root.
const stranger = 54321

// attacks put something at path that others could have put there.
var attacks = []struct {
	name   string
	do     func(t *testing.T, path string)
	want   string // of the refusal; "" when only a secret is refused
	secret string
}{
	{"link", func(t *testing.T, path string) {
		victim := path + ".victim"
		must(t, os.WriteFile(victim, []byte("victim"), 0o600))
		must(t, os.Symlink(victim, path))
	}, "is a symbolic link", "is a symbolic link"},
	{"dangling link", func(t *testing.T, path string) { must(t, os.Symlink(path+".victim", path)) }, "is a symbolic link", "is a symbolic link"},
	{"folder", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "is a folder", "is a folder"},
	{"pipe", func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "is no regular file", "is no regular file"},
	{"of another user", func(t *testing.T, path string) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give files away")
		}
		must(t, os.WriteFile(path, []byte("content"), 0o600))
		must(t, os.Chown(path, stranger, stranger))
	}, "belongs to user 54321", "belongs to user 54321"},
	{"read by others", mode(0o644), "", "can be read by others"},
	{"written by a group", mode(0o620), "", "can be written by others"},
	{"written by all", mode(0o666), "", "can be written by others"},
}

func mode(perm os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		must(t, os.WriteFile(path, []byte("content"), 0o600))
		must(t, os.Chmod(path, perm))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfOthersAreRefused(t *testing.T) {
	for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_TRUNC} {
		for _, attack := range attacks {
			t.Run(attack.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				attack.do(t, path)
				file, err := Open(path, flag)
				if err == nil {
					file.Close()
				}
				wantError(t, err, attack.want)
				if content, err := os.ReadFile(path + ".victim"); err == nil && string(content) != "victim" {
					t.Errorf("the file that the link leads to holds %q", content)
				}
				if attack.want != "" {
					return
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
					t.Errorf("after Open: %v, %v; want nothing for others", info.Mode(), err)
				}
			})
		}
	}
}

func TestSecretsThatOthersCouldReadAreRefused(t *testing.T) {
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			attack.do(t, path)
			content, err := ReadSecret(path)
			wantError(t, err, attack.secret)
			if content != nil {
				t.Errorf("ReadSecret = %q", content)
			}
		})
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		must(t, err)
	} else if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want one with %q", err, want)
	}
}

func TestWriteReplacesWhateverWasThere(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	for _, at := range []string{"file", "file.new"} {
		for _, attack := range attacks {
			if attack.name == "folder" { // is no file's to replace
				continue
			}
			t.Run(at+" "+attack.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				attack.do(t, filepath.Join(filepath.Dir(path), at))
				must(t, Write(path, []byte("new")))
				if content, err := ReadSecret(path); err != nil || string(content) != "new" {
					t.Errorf("ReadSecret after Write = %q, %v", content, err)
				}
				if content, err := os.ReadFile(path + ".victim"); err == nil && string(content) != "victim" {
					t.Errorf("the file that the link leads to holds %q", content)
				}
			})
		}
	}
}

func TestFolder(t *testing.T) {
	root := os.Geteuid() == 0
	for _, tt := range []struct {
		name         string
		make         func(path string) error
		most         os.FileMode
		err, warning string
		want         os.FileMode
		needsRoot    bool
	}{
		{name: "ours", make: folder(0o700), most: 0o700, want: 0o700},
		{name: "others may look", make: folder(0o755), most: 0o755, want: 0o755},
		{name: "others may not look", make: folder(0o755), most: 0o700, want: 0o700},
		{name: "others could write", make: folder(0o777), most: 0o755, want: 0o755, warning: "its mode was 0777 and is 0755 now"},
		{name: "a group could write", make: folder(0o770), most: 0o755, want: 0o750, warning: "its mode was 0770 and is 0750 now"},
		{name: "of another user", make: func(path string) error {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			return os.Chown(path, stranger, stranger)
		}, most: 0o755, err: "belongs to user 54321", needsRoot: true},
		{name: "link", make: func(path string) error { return os.Symlink(".", path) }, most: 0o755, err: "is a symbolic link"},
		{name: "file", make: func(path string) error { return os.WriteFile(path, nil, 0o600) }, most: 0o755, err: "is no folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.needsRoot && !root {
				t.Skip("only root can give folders away")
			}
			path := filepath.Join(t.TempDir(), "folder")
			must(t, tt.make(path))
			warning, err := Folder(path, tt.most)
			wantError(t, err, tt.err)
			if (warning == "") != (tt.warning == "") || !strings.Contains(warning, tt.warning) {
				t.Errorf("warning = %q, want %q", warning, tt.warning)
			}
			if info, err := os.Stat(path); tt.want != 0 && (err != nil || info.Mode().Perm() != tt.want) {
				t.Errorf("mode = %v, %v; want %v", info.Mode(), err, tt.want)
			}
		})
	}
}

func folder(perm os.FileMode) func(string) error {
	return func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return os.Chmod(path, perm)
	}
}
