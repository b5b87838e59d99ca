package host

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// systemKey is the name under which Durable Functions has the key of its API.
const systemKey = "durabletask_extension"

// minKeyLength keeps out keys that can be guessed.
const minKeyLength = 16

// keyFile is keys.json in the data folder, readable by its owner only. Each key
// opens the whole management API; its name stands in the log of who did what.
// The first one is put into links. Edits count from the next start.
type keyFile struct {
	SystemKeys []storedKey `json:"systemKeys"`
}

type storedKey struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func keysPath(dataDir string) string { return filepath.Join(dataDir, "keys.json") }

// loadKeys reads the keys in dataDir. If there is no file yet it is made, with
// one random key.
func loadKeys(dataDir string) ([]storedKey, error) {
	path := keysPath(dataDir)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKeys(path)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := checkPrivate(path); err != nil {
		return nil, err
	}
	var file keyFile
	if json.Unmarshal(text, &file) != nil { // its error might show a part of a key
		return nil, fmt.Errorf(`%s is not JSON of the form {"systemKeys":[{"name":"...","value":"..."}]}`, path)
	}
	return file.keys(path)
}

func createKeys(path string) ([]storedKey, error) {
	file := keyFile{[]storedKey{{systemKey, rand.Text() + rand.Text()}}}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := writePrivate(path, append(text, '\n')); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return file.keys(path)
}

// keys returns the keys if they can be used.
func (f keyFile) keys(path string) ([]storedKey, error) {
	if len(f.SystemKeys) == 0 {
		return nil, fmt.Errorf("%s holds no key; delete it, and the next start makes a new one", path)
	}
	taken := map[string]bool{}
	for i, k := range f.SystemKeys {
		switch {
		case k.Name == "":
			return nil, fmt.Errorf("%s: key %d has no name", path, i+1)
		case taken[k.Name]:
			return nil, fmt.Errorf("%s: there are two keys %s", path, k.Name)
		case len(k.Value) < minKeyLength:
			return nil, fmt.Errorf("%s: key %s is shorter than %d characters", path, k.Name, minKeyLength)
		}
		taken[k.Name] = true
	}
	return f.SystemKeys, nil
}

// checkPrivate refuses a file with secrets that others than its owner can read.
// On Windows the folder it inherits from decides, and mode bits say nothing.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others than its owner: replace its keys if they may have been, and run chmod 600 on it", path)
	}
	return nil
}

// writePrivate replaces the file at path by one that only its owner can read.
// Readers see the old file or the new one, never half of one.
func writePrivate(path string, text []byte) error {
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a left one may have another mode
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
