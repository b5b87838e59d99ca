package hubs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
)

// KeyInfo is a key of keys.json without its value.
type KeyInfo struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

// Keys returns the keys that the configured folder has. As with the functions
// below, no app need run; one that does takes an edit at its next request.
func Keys(cfg *config.Config) ([]KeyInfo, error) {
	stored, err := loadKeys(cfg.DataDir)
	var infos []KeyInfo
	for _, k := range stored {
		infos = append(infos, KeyInfo{k.Name, cmp.Or(k.Role, httpapi.RoleOperate.String())})
	}
	return infos, err
}

// AddKey adds a key with a random value, which it returns. An empty role is
// operate.
func AddKey(cfg *config.Config, name, role string) (value string, err error) {
	value = newKeyValue()
	return value, editKeys(cfg, func(keys []storedKey) ([]storedKey, error) {
		return append(keys, storedKey{name, value, cmp.Or(role, httpapi.RoleOperate.String())}), nil
	})
}

// RotateKey gives a key another random value, which it returns. The old one
// opens nothing any more.
func RotateKey(cfg *config.Config, name string) (value string, err error) {
	value = newKeyValue()
	return value, editKeys(cfg, func(keys []storedKey) ([]storedKey, error) {
		i, err := indexKey(keys, name)
		if err == nil {
			keys[i].Value = value
		}
		return keys, err
	})
}

// RemoveKey takes a key away. The last one stays: there is always one that
// opens the API.
func RemoveKey(cfg *config.Config, name string) error {
	return editKeys(cfg, func(keys []storedKey) ([]storedKey, error) {
		i, err := indexKey(keys, name)
		switch {
		case err != nil:
			return nil, err
		case len(keys) == 1:
			return nil, fmt.Errorf("%s is the only key; add another one first, or rotate it", name)
		}
		return slices.Delete(keys, i, i+1), nil
	})
}

func indexKey(keys []storedKey, name string) (int, error) {
	var names []string
	for i, k := range keys {
		if k.Name == name {
			return i, nil
		}
		names = append(names, k.Name)
	}
	return 0, fmt.Errorf("there is no key %q; there are %s", name, strings.Join(names, ", "))
}

// editKeys replaces the file as a whole. Edits wait for each other.
func editKeys(cfg *config.Config, edit func([]storedKey) ([]storedKey, error)) error {
	if _, err := loadKeys(cfg.DataDir); err != nil {
		return err
	}
	lock, err := lockKeys(cfg.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	keys, err := readKeys(KeysPath(cfg.DataDir))
	if err != nil {
		return err
	}
	if keys, err = edit(keys); err != nil {
		return err
	}
	return writeKeys(KeysPath(cfg.DataDir), keys)
}
