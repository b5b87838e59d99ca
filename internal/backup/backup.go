package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion is the version of a backup folder's layout. A build refuses
// newer ones.
const FormatVersion = 1

const (
	headFile    = "backup.json"
	filesFolder = "files"
	lockFile    = "lock"
	newSuffix   = ".new" // of what is not whole yet
)

// ErrNone is what [Read] returns for a folder without a backup.
var ErrNone = errors.New("there is no backup")

// Origin says what a backup is of.
type Origin struct {
	Store   string    `json:"store"`   // id of the store
	Commits uint64    `json:"commits"` // of the store that are in the backup
	Made    time.Time `json:"made"`    // all that was acknowledged before is in it
}

// File is one file of a backup.
type File struct {
	Path   string `json:"path"` // in the store's folder, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Backup is what a folder holds.
type Backup struct {
	Origin
	Files []File `json:"files"`
}

// Bytes is how much its files hold together.
func (b *Backup) Bytes() (n int64) {
	for _, f := range b.Files {
		n += f.Bytes
	}
	return n
}

// envelope is backup.json: a backup and the checksum of its text.
type envelope struct {
	Format int             `json:"perdureBackup"`
	SHA256 string          `json:"sha256"`
	Backup json.RawMessage `json:"backup"`
}

func (b *Backup) encode() ([]byte, error) {
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	// The text stands there as it was summed up: an encoder would indent it
	// anew.
	return fmt.Appendf(nil, "{\"perdureBackup\": %d, \"sha256\": %q, \"backup\": %s}\n", FormatVersion, hex.EncodeToString(sum[:]), text), nil
}

func decode(text []byte) (*Backup, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	if e.Format > FormatVersion {
		return nil, fmt.Errorf("it has format version %d, this build reads versions up to %d: use a newer build", e.Format, FormatVersion)
	}
	if sum := sha256.Sum256(e.Backup); e.Format < 1 || e.SHA256 != hex.EncodeToString(sum[:]) {
		return nil, errors.New("its checksum does not fit")
	}
	b := new(Backup)
	decoder := json.NewDecoder(bytes.NewReader(e.Backup))
	if err := decoder.Decode(b); err != nil {
		return nil, err
	}
	for _, f := range b.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || !isSum(f.SHA256) || f.Bytes < 0 {
			return nil, fmt.Errorf("it names a file %q of %d bytes with checksum %q", f.Path, f.Bytes, f.SHA256)
		}
	}
	return b, nil
}

// isSum reports whether name is a SHA-256, and so the name of a content.
func isSum(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size && name == strings.ToLower(name)
}

// Read returns what dir holds, [ErrNone] if that is no backup. It looks at no
// content.
func Read(disk vfs.FS, dir string) (*Backup, error) {
	path := disk.PathJoin(dir, headFile)
	file, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	b, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", path, err)
	}
	return b, nil
}

// contentPath is where the content with that checksum lies.
func contentPath(disk vfs.FS, dir, sum string) string {
	return disk.PathJoin(dir, filesFolder, sum)
}
