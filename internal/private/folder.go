package private

import (
	"fmt"
	"io/fs"
	"os"
)

// Folder checks that the folder at path is ours, and takes away the rights that
// others have beyond most, which is 0700 or 0755. It does not follow a symbolic
// link. warning is what a person should know: that others could write it till
// now, or still can, since root has it so.
func Folder(path string, most fs.FileMode) (warning string, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", notFolder(path, info.Mode())
	}
	if err := checkOwner(path, info); err != nil {
		return "", err
	}
	return tightenFolder(path, info, most)
}

func notFolder(path string, mode fs.FileMode) error {
	what := "no folder"
	if mode&fs.ModeSymlink != 0 {
		what = "a symbolic link"
	}
	return fmt.Errorf("%s is %s, and is not followed or used: look who put it there, and remove it", path, what)
}
