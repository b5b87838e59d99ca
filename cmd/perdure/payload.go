package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// payloadOptions are --input and --input-string.
type payloadOptions struct {
	json, text string
	cmd        *cobra.Command
}

func (p *payloadOptions) register(cmd *cobra.Command) {
	p.cmd = cmd
	cmd.Flags().StringVar(&p.json, "input", "", "JSON, @FILE with JSON, - for JSON from stdin, or text (default null)")
	cmd.Flags().StringVar(&p.text, "input-string", "", "text, whatever it looks like")
}

// payload reads what the options name; nil when there is none
// (spec/cli.md 3.4).
func (t *tool) payload(p *payloadOptions) (json.RawMessage, error) {
	inline, asText := p.cmd.Flags().Changed("input"), p.cmd.Flags().Changed("input-string")
	switch {
	case inline && asText:
		return nil, usage("--input and --input-string exclude each other")
	case asText:
		return jsonString(p.text), nil
	case !inline:
		return nil, nil
	case p.json == "-":
		content, err := io.ReadAll(t.stdin)
		if err != nil {
			return nil, fmt.Errorf("stdin: %w", err)
		}
		return fileJSON("stdin", content)
	case strings.HasPrefix(p.json, "@"):
		content, err := os.ReadFile(t.path(p.json[1:]))
		if err != nil {
			return nil, err
		}
		return fileJSON(p.json[1:], content)
	}
	return inlineJSON("--input", p.json)
}

// fileJSON reads the JSON of a file; nothing but blanks is null.
func fileJSON(name string, content []byte) (json.RawMessage, error) {
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
		return nil, usage("%s: %w; text that begins like JSON is passed with --input-string", option, err)
	}
	return jsonString(value), nil
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

func jsonString(text string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(text) // a string always encodes
	return bytes.TrimSpace(b.Bytes())
}
