package shelve

func refuseNetwork(string) error { return nil }
