// A client of Countersign: it enrols, calls a service and renews, with the standard library alone.
//
//	go build -o client .
//	./client enrol https://ca.example:8443 TOKEN_FILE    makes client.pem: a key, and the certificates for it
//	./client call https://service.example:9443/whoami    calls every second, with what client.pem holds by then
//	./client renew https://ca.example:8443               replaces client.pem, which call takes up
//
// The root certificate lies in the working directory, as ca.crt.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	log.SetFlags(0)
	switch args := os.Args[1:]; {
	case len(args) > 1 && !strings.HasPrefix(args[1], "https://"):
		log.Fatal("the URL has to begin with https://")
	case len(args) == 3 && args[0] == "enrol":
		if _, err := os.Stat("client.pem"); err == nil {
			log.Fatal("client.pem is there already: renew it, or move it away")
		}
		token := bytes.TrimSpace(must(os.ReadFile(args[2])))
		obtain(strings.TrimRight(args[1], "/")+"/v1/certificates", "Bearer "+string(token), &identity{})
	case len(args) == 2 && args[0] == "renew":
		// What is renewed is the certificate of the TLS handshake; it takes no token.
		current := &identity{}
		must(current.refresh())
		obtain(strings.TrimRight(args[1], "/")+"/v1/certificates/renew", "", current)
	case len(args) == 2 && args[0] == "call":
		call(args[1])
	default:
		log.Fatal("usage: client enrol CA_URL TOKEN_FILE | call URL | renew CA_URL")
	}
}

func call(url string) {
	current := &identity{}
	must(current.refresh())
	client := newClient(current)
	for ; ; time.Sleep(time.Second) {
		renewed, err := current.refresh()
		if err != nil {
			log.Print("still with the certificate from before: ", err)
		}
		if renewed {
			client.CloseIdleConnections() // they go on with the certificate that they were opened with
		}
		request := must(http.NewRequest(http.MethodGet, url, nil))
		if body, err := send(client, request); err != nil {
			log.Print(err)
		} else {
			fmt.Printf("%s\n", bytes.TrimSpace(body))
		}
	}
}

// obtain has the CA certify the key in next.pem, and puts key and certificates into client.pem.
func obtain(url, authorization string, current *identity) {
	key, csr := pending()
	request := must(http.NewRequest(http.MethodPost, url, bytes.NewReader(csr)))
	request.Header.Set("Content-Type", "application/pkcs10")
	request.Header.Set("Accept", "application/pem-certificate-chain")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	chain := must(send(newClient(current), request))
	content := bytes.Join([][]byte{key, chain}, nil)
	must(tls.X509KeyPair(content, content)) // or the answer is for another key
	replace("client.pem", content)
	check(os.Remove("next.pem"))
}

// pending gives the key and the CSR of an attempt that was not ended, or of a new one.
//
// They are stored before the CSR is sent. When the answer is lost, the same CSR gets the same certificate again;
// another one is refused: a token is good for one CSR, and a second renewal is the sign of a copied key.
func pending() (key, csr []byte) {
	if _, err := os.Stat("next.pem"); errors.Is(err, os.ErrNotExist) {
		private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		// It asks for no name: that is the account's.
		request := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private))
		key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))})
		csr = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})
		replace("next.pem", append(key, csr...))
	}
	stored := must(os.ReadFile("next.pem"))
	_, csr = pem.Decode(stored)
	return stored[:len(stored)-len(csr)], csr
}

// identity is what client.pem held when it was last read.
type identity struct {
	content     []byte
	certificate atomic.Pointer[tls.Certificate]
}

// refresh reads client.pem, and tells whether it has changed; when it cannot be read, what it held stays.
func (i *identity) refresh() (changed bool, err error) {
	content, err := os.ReadFile("client.pem")
	if err != nil || bytes.Equal(content, i.content) {
		return false, err
	}
	certificate, err := tls.X509KeyPair(content, content)
	if err != nil {
		return false, err
	}
	i.content = content
	i.certificate.Store(&certificate)
	return true, nil
}

// newClient trusts ca.crt alone, and has each new connection show what the identity is by then.
func newClient(current *identity) *http.Client {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(os.ReadFile("ca.crt"))) {
		log.Fatal("no certificate in ca.crt")
	}
	certificate := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if held := current.certificate.Load(); held != nil {
			return held, nil
		}
		return &tls.Certificate{}, nil // none
	}
	tlsConfig := &tls.Config{RootCAs: roots, GetClientCertificate: certificate}
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: tlsConfig},
		// Token and certificate are for the one who was named, and for nobody that he names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send gives the body of the answer, or says why there is none, as a problem document (RFC 9457) does.
func send(client *http.Client, request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body) // to its end, or its connection is not used again
	if err != nil || response.StatusCode < 300 {
		return body, err
	}
	var problem struct{ Code, Detail string }
	if json.Unmarshal(body, &problem) != nil || problem.Code == "" {
		return nil, errors.New(response.Status)
	}
	return nil, fmt.Errorf("%s: %s", problem.Code, problem.Detail)
}

// replace writes a file that its owner alone can read; a reader finds the old content or the new, whole.
func replace(name string, content []byte) {
	_ = os.Remove(name + ".new") // whatever is still there is not written to
	file := must(os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_SYNC, 0o600))
	must(file.Write(content))
	check(file.Close())
	check(os.Rename(name+".new", name))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
