package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
)

type syncFlags struct {
	copyFlags
	mirror bool
}

func newSync(a *app) *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "sync [flags] SRC DST",
		Short: "Bring two stores to the same contents",
		Long: `Copy between two stores in both directions, as "larder cp" does in one: afterwards either holds
what one of them did. Nothing is deleted, so what was removed from one store comes back from the
other. Conflicts are met and decided as by cp.

With --mirror it is one direction, and what SRC lacks is deleted from DST: values only, of those
that --where lets through; what is pinned, descriptions and sessions stay. Look with --dry-run
first. A SRC without any values is refused, for it is more likely a wrong path. What others write to
DST meanwhile may be deleted, if SRC lacks it.`,
		Example: `  larder sync /var/cache/mine s3://lab/results
  larder sync --prefer newer a b
  larder sync --mirror -n s3://lab/results s3://backup/results`,
		Args: two("sync"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sync(cmd.Context(), &f, args[0], args[1]) },
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.mirror, "mirror", false, "one direction, and delete the values of DST that SRC lacks")
	return cmd
}

func (a *app) sync(ctx context.Context, f *syncFlags, from, to string) error {
	for i, place := range []string{from, to} {
		if _, ok := backend.LocalFile(place); ok && (i == 1 || !f.mirror) {
			return misused("sync: %s is a tar, which is never changed; use larder cp, which writes it anew", place)
		}
	}
	if samePlace(from, to) {
		return misused("%w: %s", catalog.ErrSamePlace, backend.Redact(from))
	}
	open := a.openDestination
	if f.mirror {
		open = func(ctx context.Context, url string, _ bool) (*larder.Store, error) {
			return a.openSource(ctx, url, to)
		}
	}
	src, err := open(ctx, from, f.dryRun)
	if err != nil {
		return err
	}
	defer src.Close()
	t := a.newCopyTeller(&f.copyFlags)
	opts, err := f.options(ctx, src, t)
	if err != nil {
		return err
	}
	dst, err := a.openDestination(ctx, to, f.dryRun)
	if err != nil {
		return err
	}
	defer dst.Close()
	if f.mirror {
		return a.mirror(ctx, f, t, src, dst, opts)
	}
	r, err := catalog.Sync(ctx, src, dst, opts)
	t.line.end()
	if err == nil {
		err = t.failed
	}
	if err != nil {
		return copyError(err)
	}
	if f.asJSON {
		text := struct {
			There copyText `json:"to_dst"`
			Back  copyText `json:"to_src"`
		}{reportOf(r.There, f.dryRun), reportOf(r.Back, f.dryRun)}
		if err := writeJSON(a.stdout, text); err != nil {
			return err
		}
	}
	findings := r.There
	findings.Corrupt += r.Back.Corrupt
	findings.Refused += r.Back.Refused
	return t.verdict(findings, fmt.Sprintf("to DST: %s; to SRC: %s", t.did(r.There), t.did(r.Back)))
}

// mirror copies, and deletes what the source lacks.
func (a *app) mirror(ctx context.Context, f *syncFlags, t *copyTeller, src, dst *larder.Store, opts catalog.CopyOptions) error {
	r, err := catalog.Copy(ctx, dst, src, opts)
	t.line.end()
	if err == nil {
		err = t.failed
	}
	if err != nil {
		return copyError(err)
	}
	done, err := catalog.Prune(ctx, dst, src, opts.Where, f.dryRun, func(e catalog.Entry) {
		if f.dryRun && !f.asJSON {
			fmt.Fprintf(a.out(), "%s: would be deleted, %s\n", e.Info.Key, size(e.Info.Size))
		}
	})
	if err != nil {
		return err
	}
	if f.asJSON {
		text := struct {
			copyText
			Deleted      int   `json:"deleted"`
			DeletedBytes int64 `json:"deleted_bytes"`
		}{reportOf(r, f.dryRun), done.Values, done.Bytes}
		if err := writeJSON(a.stdout, text); err != nil {
			return err
		}
	}
	verb := "deleted"
	if f.dryRun {
		verb = "would delete"
	}
	return t.verdict(r, fmt.Sprintf("%s; %s %s, %s", t.did(r), verb, count(done.Values, "value"), size(done.Bytes)))
}
