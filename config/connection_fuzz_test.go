package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A connection string is never told, whatever is wrong with it or where it stands.
func FuzzConnection(f *testing.F) {
	const secret = "Sup3rS3cr3t"
	for _, text := range []string{
		"UseDevelopmentStorage=true;", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=", "postgres://u:", "Endpoint=https://x;AccessKey=", "http://h?code=", " ", "%A%",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := json.Marshal(text + secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range []Source{
			{Dir: app(t, "local.settings.json", `{"Values":{"AzureWebJobsStorage":`+string(value)+`}}`)},
			{Dir: app(t, "local.settings.json", `{"ConnectionStrings":{"AzureWebJobsStorage":`+string(value)+`}}`)},
			{Dir: app(t), Environ: []string{"AzureWebJobsStorage=" + text + secret}},
		} {
			c, err := Load(src)
			told := fmt.Sprint(err)
			if err == nil {
				told = fmt.Sprint(c.Warnings, c.Settings)
			}
			if strings.Contains(told, secret) {
				t.Errorf("Load of %s tells %s", value, told)
			}
		}
	})
}
