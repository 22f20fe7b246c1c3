package durable

import "io"

// Copy copies src to dst in pieces of the size of buf, however little src delivers at a time: each
// piece may cost a system call.
func Copy(dst io.Writer, src io.Reader, buf []byte) (written int64, err error) {
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			w, err := dst.Write(buf[:n])
			written += int64(w)
			if err != nil {
				return written, err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return written, nil
		default:
			return written, err
		}
	}
}
