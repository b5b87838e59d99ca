package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContractsThatAreCitedAreThere: whoever reads the repository has all that its comments
// and pages cite: each page of docs/contracts with the section that is named.
func TestContractsThatAreCitedAreThere(t *testing.T) {
	root := repository(t)
	listed, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("git cannot tell which files there are: %v", err)
	}
	cited := regexp.MustCompile(`docs/contracts/([a-z-]+)\.md(?:(?: section)? ([0-9]+(?:\.[0-9]+)?))?`)
	elsewhere := regexp.MustCompile(`\bspec/[a-z-]+\.md|\.\./shared\b`)
	pages, found := make(map[string]string), 0
	for name := range strings.Lines(string(listed)) {
		name = strings.TrimSuffix(name, "\n")
		switch filepath.Ext(name) {
		case ".go", ".md", ".py", ".mjs", ".txt", ".proto", ".yaml", ".sh":
		default:
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed and not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if name != "test/docs/contracts_test.go" {
			if cite := elsewhere.FindString(string(text)); cite != "" {
				t.Errorf("%s cites %s, which readers of the repository do not have", name, cite)
			}
		}
		for _, cite := range cited.FindAllStringSubmatch(string(text), -1) {
			found++
			page, section := cite[1], cite[2]
			if _, ok := pages[page]; !ok {
				read, err := os.ReadFile(filepath.Join(root, "docs", "contracts", page+".md"))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				pages[page] = string(read)
			}
			if section != "" && !regexp.MustCompile(`(?m)^#{2,3} `+regexp.QuoteMeta(section)+`\.? `).MatchString(pages[page]) {
				t.Errorf("%s cites section %s of docs/contracts/%s.md, which has none", name, section, page)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d citations were found", found)
	}
}
