import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Set;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A client of Countersign: it enrols, calls a service and renews, with the JDK (17 or later) alone.
 *
 * <pre>
 * java Client.java enrol https://ca.example:8443 TOKEN_FILE    makes client.pem: a key, and the certificates for it
 * java Client.java call https://service.example:9443/whoami    calls every second, with what client.pem holds by then
 * java Client.java renew https://ca.example:8443               replaces client.pem, which call takes up
 * </pre>
 *
 * The root certificate lies in the working directory, as ca.crt.
 */
public final class Client {
    private static final Path IDENTITY = Path.of("client.pem");
    private static final Path PENDING = Path.of("next.pem");

    public static void main(String[] args) throws InterruptedException {
        String command = args.length == 0 ? "" : args[0] + " " + (args.length - 1);
        String ca = args.length < 2 ? "" : args[1].replaceFirst("/+$", "");
        try {
            require(args.length < 2 || args[1].startsWith("https://"), "the URL has to begin with https://");
            switch (command) {
                case "enrol 2" -> {
                    require(!Files.exists(IDENTITY), IDENTITY + " is there already: renew it, or move it away");
                    String token = Files.readString(Path.of(args[2])).strip();
                    require(token.matches("\\w+"), args[2] + " has no token");
                    obtain(ca + "/v1/certificates", "Bearer " + token, "");
                }
                // What is renewed is the certificate of the TLS handshake; it takes no token.
                case "renew 1" -> obtain(ca + "/v1/certificates/renew", "", Files.readString(IDENTITY));
                case "call 1" -> call(URI.create(args[1]));
                default -> throw new IOException("usage: Client enrol CA_URL TOKEN_FILE | call URL | renew CA_URL");
            }
        } catch (GeneralSecurityException | IOException | IllegalArgumentException error) {
            // Those of our own are plain; of others the name says more than the message.
            System.err.println(error.getClass() == IOException.class ? error.getMessage() : error);
            System.exit(1);
        }
    }

    private static void require(boolean condition, String otherwise) throws IOException {
        if (!condition) throw new IOException(otherwise);
    }

    /**
     * Calls for ever. A connection keeps the certificate of its handshake, and so does a TLS session that is resumed:
     * another certificate takes another client, with its own SSLContext. The one from before ends when it is collected.
     */
    private static void call(URI url) throws GeneralSecurityException, IOException, InterruptedException {
        String held = Files.readString(IDENTITY);
        HttpClient client = client(held);
        for (;; Thread.sleep(1000)) {
            try {
                String now = Files.readString(IDENTITY);
                if (!now.equals(held)) client = client(now);
                held = now;
            } catch (GeneralSecurityException | IOException | IllegalArgumentException unreadable) {
                System.err.println("still with the certificate from before: " + unreadable);
            }
            try {
                var request = HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(30)).build();
                System.out.println(send(client, request).strip());
            } catch (IOException failed) {
                System.err.println(failed.getMessage());
            }
        }
    }

    /** Has the CA certify the key in next.pem, and puts key and certificates into client.pem. */
    private static void obtain(String url, String authorization, String identity)
            throws GeneralSecurityException, IOException, InterruptedException {
        // Stored before it is sent. When the answer is lost, the same CSR gets the same certificate again; another one
        // is refused: a token is good for one CSR, and a second renewal is the sign of a copied key.
        if (!Files.exists(PENDING)) replace(PENDING, newKeyAndRequest());
        String pending = Files.readString(PENDING);
        int split = Math.max(0, pending.indexOf("-----BEGIN CERTIFICATE REQUEST-----"));
        var request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(30))
                .headers("Content-Type", "application/pkcs10", "Accept", "application/pem-certificate-chain")
                .POST(BodyPublishers.ofString(pending.substring(split)));
        if (!authorization.isEmpty()) request.header("Authorization", authorization);
        String content = pending.substring(0, split) + send(client(identity), request.build());
        client(content); // takes it as it will be taken
        replace(IDENTITY, content);
        Files.delete(PENDING);
    }

    /** The body of the answer; an IOException says what a problem document (RFC 9457) does. */
    private static String send(HttpClient client, HttpRequest request) throws IOException, InterruptedException {
        HttpResponse<String> answer;
        try {
            answer = client.send(request, BodyHandlers.ofString());
        } catch (IOException failed) {
            throw new IOException(request.uri() + ": " + failed, failed);
        }
        if (answer.statusCode() < 300) return answer.body();
        // The JDK has no reader of JSON.
        var problem = Pattern.compile("\"(code|detail)\":\"(.*?)\"[,}]").matcher(answer.body());
        var said = String.join(": ", problem.results().map(member -> member.group(2)).toList());
        throw new IOException(said.isEmpty() ? "HTTP status " + answer.statusCode() : said);
    }

    /** Trusts ca.crt alone, and presents the key and the certificates of a PEM text, if there are any. */
    private static HttpClient client(String identity) throws GeneralSecurityException, IOException {
        var roots = emptyStore();
        var root = new ByteArrayInputStream(Files.readAllBytes(Path.of("ca.crt")));
        roots.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(root));
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(roots);
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(identity.isEmpty() ? emptyStore() : keyStore(identity), new char[0]);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return HttpClient.newBuilder().sslContext(context).connectTimeout(Duration.ofSeconds(10)).build();
    }

    private static KeyStore keyStore(String identity) throws GeneralSecurityException, IOException {
        var parts = identity.split("-----(BEGIN|END) PRIVATE KEY-----");
        require(parts.length == 3, "no key and certificates where they should be");
        var pkcs8 = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(parts[1]));
        var key = KeyFactory.getInstance("EC").generatePrivate(pkcs8);
        var pem = new ByteArrayInputStream(parts[2].getBytes());
        var chain = CertificateFactory.getInstance("X.509").generateCertificates(pem).toArray(Certificate[]::new);
        // A store takes any certificate for any key.
        var signature = Signature.getInstance("SHA256withECDSA");
        signature.initVerify(chain[0].getPublicKey());
        require(signature.verify(sign(key, new byte[0])), "the certificate is for another key");
        var store = emptyStore();
        store.setKeyEntry("client", key, new char[0], chain);
        return store;
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        var store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    /** A new P-256 key and its CSR. The JDK has no maker of CSRs: this is the DER of RFC 2986 §4. */
    private static String newKeyAndRequest() throws GeneralSecurityException {
        var generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        var pair = generator.generateKeyPair();
        var hex = HexFormat.of();
        // Version 0, no name (that is the account's), the key (91 bytes), no attributes.
        String info = "3062" + "020100" + "3000" + hex.formatHex(pair.getPublic().getEncoded()) + "a000";
        byte[] signed = sign(pair.getPrivate(), hex.parseHex(info));
        String ecdsaWithSha256 = "300a06082a8648ce3d040302"; // RFC 5758 §3.2
        String parts = info + ecdsaWithSha256 + "03%02x00".formatted(signed.length + 1) + hex.formatHex(signed);
        byte[] csr = hex.parseHex("3081%02x".formatted(parts.length() / 2) + parts); // of 128 to 255 bytes
        return pem("PRIVATE KEY", pair.getPrivate().getEncoded()) + pem("CERTIFICATE REQUEST", csr);
    }

    private static byte[] sign(PrivateKey key, byte[] data) throws GeneralSecurityException {
        var signature = Signature.getInstance("SHA256withECDSA");
        signature.initSign(key);
        signature.update(data);
        return signature.sign();
    }

    private static String pem(String label, byte[] der) {
        String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        return "-----BEGIN " + label + "-----\n" + base64 + "\n-----END " + label + "-----\n";
    }

    /** Writes a file that its owner alone can read; a reader finds the old content or the new, whole. */
    private static void replace(Path file, String content) throws IOException {
        var made = Path.of(file + ".new");
        Files.deleteIfExists(made);
        var options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SYNC);
        // Of POSIX file systems; on Windows it is the folder that says who may read.
        var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        try (var channel = Files.newByteChannel(made, options, mode)) {
            channel.write(ByteBuffer.wrap(content.getBytes()));
        }
        Files.move(made, file, StandardCopyOption.ATOMIC_MOVE);
    }
}
