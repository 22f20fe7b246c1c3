package larder_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks returns the fenced blocks of README.md in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("README.md has no %s block", language)
	}
	return found
}

// The first Go block of the README is the body of Example.
func TestReadmeExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, ok := strings.Cut(body, "\t// Output:")
	if !ok {
		t.Fatal("example_test.go has no Example with an output")
	}
	want := strings.TrimSpace(strings.ReplaceAll("\n"+body, "\n\t", "\n"))
	if got := strings.TrimSpace(blocks(t, "go")[0]); got != want {
		t.Errorf("README.md shows\n%s\nExample is\n%s", got, want)
	}
}

// The console blocks of the README print what they say. "…" stands for any text on a line,
// and runs of blanks for each other.
func TestReadmeConsole(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/larder")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "words.txt"), []byte("pear\napple\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(t, "console") {
		for step := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
			command, want, _ := strings.Cut(step, "\n")
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = work
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LARDER_STORE="+filepath.Join(dir, "store"))
			got, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("$ %s\n%s%v", command, got, err)
			}
			if !like(want).Match(got) {
				t.Errorf("$ %s prints\n%sREADME.md says\n%s", command, got, want)
			}
		}
	}
}

// like returns a pattern for what a console shows.
func like(text string) *regexp.Regexp {
	p := regexp.QuoteMeta(strings.TrimSpace(text))
	p = strings.ReplaceAll(p, "…", ".*")
	p = regexp.MustCompile(` +`).ReplaceAllString(p, " +")
	return regexp.MustCompile(`^` + p + `\s*$`)
}
