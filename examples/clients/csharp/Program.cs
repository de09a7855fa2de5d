// A client of Countersign: it enrols, calls a service and renews, with .NET (8 or later) alone.
//
//   dotnet build -o bin
//   bin/client enrol https://ca.example:8443 TOKEN_FILE    makes client.pem: a key, and the certificates for it
//   bin/client call https://service.example:9443/whoami    calls every second, with what client.pem holds by then
//   bin/client renew https://ca.example:8443               replaces client.pem, which call takes up
//
// The root certificate lies in the working directory, as ca.crt.

using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

const string Identity = "client.pem";
const string Pending = "next.pem";

try
{
    if (args.Length > 1 && !args[1].StartsWith("https://", StringComparison.Ordinal))
        throw new ArgumentException("the URL has to begin with https://");
    switch (args)
    {
        case ["enrol", var ca, var tokenFile]:
            if (File.Exists(Identity))
                throw new IOException($"{Identity} is there already: renew it, or move it away");
            var token = File.ReadAllText(tokenFile).Trim();
            var bearer = new AuthenticationHeaderValue("Bearer", token);
            await Obtain($"{ca.TrimEnd('/')}/v1/certificates", bearer, identity: null);
            return 0;
        case ["renew", var ca]:
            // What is renewed is the certificate of the TLS handshake; it takes no token.
            await Obtain($"{ca.TrimEnd('/')}/v1/certificates/renew", authorization: null, File.ReadAllText(Identity));
            return 0;
        case ["call", var url]:
            await Call(url);
            return 0;
        default:
            Console.Error.WriteLine("usage: client enrol CA_URL TOKEN_FILE | call URL | renew CA_URL");
            return 1;
    }
}
catch (Exception e)
{
    Console.Error.WriteLine(e.GetBaseException().Message); // of a failed handshake, the base says why
    return 1;
}

// Calls for ever. A connection keeps the certificate of its handshake: another certificate takes another client.
static async Task Call(string url)
{
    var held = File.ReadAllText(Identity);
    var client = NewClient(held);
    for (; ; await Task.Delay(TimeSpan.FromSeconds(1)))
    {
        try
        {
            var now = File.ReadAllText(Identity);
            if (now != held)
            {
                var next = NewClient(now);
                client.Dispose();
                (client, held) = (next, now);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            Console.Error.WriteLine($"still with the certificate from before: {e.Message}");
        }
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            Console.WriteLine((await Send(client, request)).Trim());
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            Console.Error.WriteLine(e.GetBaseException().Message);
        }
    }
}

// Has the CA certify the key in next.pem, and puts key and certificates into client.pem.
static async Task Obtain(string url, AuthenticationHeaderValue? authorization, string? identity)
{
    // Stored before it is sent. When the answer is lost, the same CSR gets the same certificate again; another one is
    // refused: a token is good for one CSR, and a second renewal is the sign of a copied key.
    if (!File.Exists(Pending))
        Replace(Pending, NewKeyAndRequest());
    var pending = File.ReadAllText(Pending);
    var split = Math.Max(0, pending.IndexOf("-----BEGIN CERTIFICATE REQUEST-----", StringComparison.Ordinal));

    using var client = NewClient(identity);
    using var request = new HttpRequestMessage(HttpMethod.Post, url);
    request.Headers.Authorization = authorization;
    request.Headers.Accept.ParseAdd("application/pem-certificate-chain");
    request.Content = new StringContent(pending[split..], new MediaTypeHeaderValue("application/pkcs10"));

    var content = pending[..split] + await Send(client, request);
    X509Certificate2.CreateFromPem(content, content).Dispose(); // or the answer is for another key
    Replace(Identity, content);
    File.Delete(Pending);
}

// The body of the answer; an exception says what a problem document (RFC 9457) does.
static async Task<string> Send(HttpClient client, HttpRequestMessage request)
{
    using var response = await client.SendAsync(request);
    var body = await response.Content.ReadAsStringAsync();
    if (response.IsSuccessStatusCode)
        return body;
    if (response.Content.Headers.ContentType?.MediaType != "application/problem+json")
        throw new HttpRequestException($"HTTP status {(int)response.StatusCode}");
    var problem = JsonNode.Parse(body);
    throw new HttpRequestException($"{problem?["code"]}: {problem?["detail"]}");
}

static string NewKeyAndRequest()
{
    using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    var nobody = new X500DistinguishedNameBuilder().Build(); // it asks for no name: that is the account's
    var request = new CertificateRequest(nobody, key, HashAlgorithmName.SHA256);
    return $"{key.ExportPkcs8PrivateKeyPem()}\n{request.CreateSigningRequestPem()}\n";
}

// Trusts ca.crt alone, and presents the key and the certificates of a PEM text, if it is given one.
static HttpClient NewClient(string? identity)
{
    var options = new SslClientAuthenticationOptions
    {
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { X509Certificate2.CreateFromPem(File.ReadAllText("ca.crt")) },
            RevocationMode = X509RevocationMode.NoCheck, // as HttpClient has it by default
        },
    };
    if (identity is not null)
    {
        using var read = X509Certificate2.CreateFromPem(identity, identity);
        var leaf = new X509Certificate2(read.Export(X509ContentType.Pkcs12)); // Windows uses no key that came from PEM
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(identity);
        options.ClientCertificateContext = SslStreamCertificateContext.Create(leaf, chain, offline: true);
    }
    // Token and certificate are for the one who was named, and for nobody that he names.
    var handler = new SocketsHttpHandler { SslOptions = options, AllowAutoRedirect = false };
    return new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30) };
}

// Writes a file that its owner alone can read; a reader finds the old content or the new, whole.
static void Replace(string path, string content)
{
    var made = path + ".new";
    File.Delete(made);
    var options = new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        Options = FileOptions.WriteThrough,
    };
    if (!OperatingSystem.IsWindows())
        options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    using (var writer = new StreamWriter(made, options))
        writer.Write(content);
    File.Move(made, path, overwrite: true);
}
