package hubs

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/private"
)

// systemKey is the name under which Durable Functions has the key of its API.
const systemKey = "durabletask_extension"

// minKeyLength keeps out keys that can be guessed.
const minKeyLength = 16

// keyFile is keys.json in the data folder, readable by its owner only. Each key
// opens as much of the management API as its role lets it; its name stands in
// the log of who did what.
type keyFile struct {
	SystemKeys []storedKey `json:"systemKeys"`
}

type storedKey struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Role  string `json:"role,omitempty"` // of [httpapi.ParseRole]; empty: operate
}

func (k storedKey) key() httpapi.Key {
	role, _ := httpapi.ParseRole(k.Role) // it was looked at when it was read
	return httpapi.Key{Name: k.Name, Value: k.Value, Role: role}
}

// KeysPath returns where the keys of a data folder are.
func KeysPath(dataDir string) string { return filepath.Join(dataDir, "keys.json") }

// lockKeys keeps out whoever else would change keys.json, until the closer is
// closed. Readers need no lock.
func lockKeys(dataDir string) (io.Closer, error) {
	lock, err := private.Lock(filepath.Join(dataDir, "keys.lock"))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return lock, nil
}

// loadKeys reads the keys in dataDir. If there is no file yet it is made, with
// one random key.
func loadKeys(dataDir string) ([]storedKey, error) {
	path := KeysPath(dataDir)
	keys, err := readKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	lock, err := lockKeys(dataDir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if keys, err = readKeys(path); !errors.Is(err, fs.ErrNotExist) {
		return keys, err // somebody else made it meanwhile
	}
	keys = []storedKey{{Name: systemKey, Value: newKeyValue(), Role: httpapi.RoleOperate.String()}}
	return keys, writeKeys(path, keys)
}

// newKeyValue returns 260 random bits.
func newKeyValue() string { return rand.Text() + rand.Text() }

func readKeys(path string) ([]storedKey, error) {
	text, err := private.ReadSecret(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func writeKeys(path string, keys []storedKey) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	text, err := json.MarshalIndent(keyFile{keys}, "", "  ")
	if err != nil {
		return err
	}
	if err := private.Write(path, append(text, '\n')); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// parseKeys reads a file of keys. Its errors show no part of one.
func parseKeys(text []byte) ([]storedKey, error) {
	var file keyFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&file)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return file.SystemKeys, checkKeys(file.SystemKeys)
		}
		err = errors.New("something follows")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok && len(field) < minKeyLength {
		return nil, fmt.Errorf("unknown field %s; a key has name, value and role, and nothing else is in the file but systemKeys", field)
	}
	return nil, errors.New(`it is not JSON of the form {"systemKeys":[{"name":"...","value":"...","role":"operate"}]}`)
}

// takenNames are those of callers that hold no key of the file.
var takenNames = []string{httpapi.CallerAnonymous, httpapi.CallerLink, ByApp, ByRetention, ByCommandLine}

// checkKeys reports why keys cannot be used.
func checkKeys(keys []storedKey) error {
	if len(keys) == 0 {
		return errors.New("it holds no key; delete the file, and the next start makes a new one")
	}
	for i, k := range keys {
		_, badRole := httpapi.ParseRole(cmp.Or(k.Role, httpapi.RoleOperate.String()))
		switch {
		case k.Name == "":
			return fmt.Errorf("key %d has no name", i+1)
		case len(k.Name) > 100 || strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
			return fmt.Errorf("the name of key %d is not printable text of at most 100 bytes", i+1)
		case slices.Contains(takenNames, k.Name):
			return fmt.Errorf("key %d is called %q, which is the name of callers that bring no key; give it another one", i+1, k.Name)
		case slices.ContainsFunc(keys[:i], func(o storedKey) bool { return o.Name == k.Name }):
			return fmt.Errorf("there are two keys %s", k.Name)
		case len(k.Value) < minKeyLength:
			return fmt.Errorf("key %s is shorter than %d characters", k.Name, minKeyLength)
		case slices.ContainsFunc(keys[:i], func(o storedKey) bool { return o.Value == k.Value }):
			return fmt.Errorf("key %s has the value of another one, so nobody can tell who comes with it", k.Name)
		case badRole != nil && len(k.Role) >= minKeyLength:
			return fmt.Errorf("the role of key %s is not metadata, read or operate", k.Name)
		case badRole != nil:
			return fmt.Errorf("role of key %s: %w", k.Name, badRole)
		}
	}
	return nil
}
