package cli

// listFlag is a flag that may be given several times. pflag's own makes a writer of CSV for each to show that it is
// empty, which takes a hundredth of a hit.
type listFlag struct{ list *[]string }

// Set implements pflag.Value.
func (f listFlag) Set(value string) error {
	*f.list = append(*f.list, value)
	return nil
}

// Type implements pflag.Value: help and completions know it.
func (f listFlag) Type() string { return "stringArray" }

// String implements pflag.Value: no default is worth showing.
func (f listFlag) String() string { return "" }

// Append implements pflag.SliceValue.
func (f listFlag) Append(value string) error { return f.Set(value) }

// Replace implements pflag.SliceValue.
func (f listFlag) Replace(values []string) error {
	*f.list = values
	return nil
}

// GetSlice implements pflag.SliceValue.
func (f listFlag) GetSlice() []string { return *f.list }
