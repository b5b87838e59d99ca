package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/internal/wire"
)

// payloadOptions are --input, --input-file and --input-string, or the same with
// another name.
type payloadOptions struct {
	name             string
	json, file, text string
	cmd              *cobra.Command
}

func (p *payloadOptions) register(cmd *cobra.Command, name string) {
	p.cmd, p.name = cmd, name
	cmd.Flags().StringVar(&p.json, name, "", "JSON, @FILE with JSON, - for JSON from stdin, or text (default null)")
	cmd.Flags().StringVar(&p.file, name+"-file", "", "file with JSON")
	cmd.Flags().StringVar(&p.text, name+"-string", "", "text, whatever it looks like")
}

// given reports whether one of the options was given.
func (p *payloadOptions) given(suffix string) bool { return p.cmd.Flags().Changed(p.name + suffix) }

// payload reads what the options name; nil when there is none
// (docs/contracts/cli.md 3.4).
func (t *tool) payload(p *payloadOptions) (json.RawMessage, error) {
	if err := exclusive(p.cmd, p.name, p.name+"-file", p.name+"-string"); err != nil {
		return nil, err
	}
	switch {
	case p.given("-string"):
		return wire.Quote(p.text), nil
	case p.given("-file"):
		return t.jsonFile(p.file)
	case !p.given(""):
		return nil, nil
	case strings.HasPrefix(p.json, "@"):
		return t.jsonFile(p.json[1:])
	case t.coreTools:
		return wire.Quote(p.json), nil
	case p.json == "-":
		return t.jsonFile("-")
	}
	return inlineJSON("--"+p.name, p.json)
}

// jsonFile reads the JSON in a file; "-" is stdin.
func (t *tool) jsonFile(name string) (json.RawMessage, error) {
	if name == "-" {
		content, err := io.ReadAll(t.stdin)
		if err != nil {
			return nil, fmt.Errorf("stdin: %w", err)
		}
		return fileJSON("stdin", content)
	}
	content, err := os.ReadFile(t.path(name))
	if err != nil {
		return nil, err
	}
	return fileJSON(name, content)
}

// fileJSON checks the JSON of a file; nothing but blanks is null.
func fileJSON(name string, content []byte) (json.RawMessage, error) {
	if bytes.HasPrefix(content, []byte{0xff, 0xfe}) || bytes.HasPrefix(content, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%s: it is UTF-16 text; save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)", name)
	}
	content = bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\uFEFF")))
	if len(content) == 0 {
		return nil, nil
	}
	if err := checkJSON(content); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, nil
}

// inlineJSON takes text that is valid JSON as that, text that begins like JSON
// and is not valid as a mistake, and any other text as a string.
func inlineJSON(option, value string) (json.RawMessage, error) {
	err := checkJSON([]byte(value))
	switch {
	case err == nil:
		return json.RawMessage(value), nil
	case looksLikeJSON(value):
		return nil, usage("%s: %w; text that begins like JSON is passed with %s-string", option, err, option)
	}
	return wire.Quote(value), nil
}

func looksLikeJSON(value string) bool {
	value = strings.TrimSpace(value)
	return value != "" && strings.ContainsRune(`{["`, rune(value[0]))
}

// checkJSON reports where text is not JSON.
func checkJSON(text []byte) error {
	var v json.RawMessage
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return nil
}
