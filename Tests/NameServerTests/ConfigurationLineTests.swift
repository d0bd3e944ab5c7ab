import DNS
import NameServer
import Testing

/// Editors of other systems end lines with CR LF: to a `String` that is one character, and no line feed.
@Suite("documents whose lines end with CR LF")
struct ConfigurationLineTests {
    private func outcome(_ text: String, _ files: [String: String] = [:]) -> Result<NameServerConfiguration, any Error> {
        Result { try NameServerConfiguration(text) { files[$0].map(FollowedFile.Reading.text) ?? .unreadable(2) } }
    }

    private func mistakes(_ text: String, _ files: [String: String] = [:]) -> [String] {
        guard case .failure(let error) = outcome(text, files) else { return [] }
        return (error as? NameServerConfigurationError)?.mistakes.map(\.description) ?? ["\(error)"]
    }

    private func withReturns(_ text: String) -> String { text.replacing("\n", with: "\r\n") }

    private static let hosts = "# printers\n192.0.2.1 one.example two.example # both\n\n192.0.2.2 three.example\n"
    private static let zone = """
        $TTL 1h
        @ IN SOA ns hostmaster ( 1 ; serial
          2h 1h 2w
          5m )
        a A 192.0.2.1 ; one
          TXT "a b" ; and
        b CNAME a

        """
    private static let document = """
        # What is said here
        clusterDomain: k8s.example
        hosts:
          file: /hosts
          text: |
            192.0.2.3 four.example
            # nobody
            192.0.2.4 five.example
        zones:
          - name: lab.example
            file: /zone
          - name: shop.example
            text: |
              a A 192.0.2.5
              b TXT ( "one"
                "two" )
        log: all

        """

    @Test("they are read as those with LF")
    func read() throws {
        let plain = try outcome(Self.document, ["/hosts": Self.hosts, "/zone": Self.zone]).get()
        #expect(plain.custom.hosts.count == 9 && plain.custom.zones.map(\.records.count) == [4, 2])
        let files = ["/hosts": withReturns(Self.hosts), "/zone": withReturns(Self.zone)]
        #expect(try outcome(withReturns(Self.document), files).get() == plain)
        let resolvers = "# ours\nnameserver 192.0.2.53\nsearch one.example two.example\n; end\noptions ndots:2 use-vc\nfoo\n"
        let file = ResolverFile(withReturns(resolvers))
        #expect(file == ResolverFile(resolvers))
        #expect(file.nameServers.count == 1 && file.dots == 2 && file.faults.map(\.line) == [6])
    }

    @Test("what is wrong is told with its line and its column")
    func places() {
        for (text, places) in [
            ("ttl: 5s\nhosts:\n  txt: a\n", ["3:3: hosts: \"txt\" is unknown here; did you mean text?"]),
            ("ttl: 5s\n\nttl: 6s\n", ["3:1: ttl: written twice in one map"]),
            ("log: all\nttl: [5s\nhosts: {}\n", ["3:6: "]),
            ("hosts:\n  text: |\n    192.0.2.1 a.example\n    192.0.2 b.example\n", ["4:5: hosts.text: 192.0.2 is no address"]),
            ("hosts:\n  text: |\n    192.0.2.1 a.example\n\n    192.0.2.1 a..b\n", ["5:15: hosts.text: a..b is no name"]),
            ("zones:\n  - name: a.example\n    text: |\n      a A 192.0.2.1\n      b A 192.0.2\n", ["5:11: zones[0].text: "]),
            ("zones:\n  - name: a.example\n    text: |\n      a A\n      b A 192.0.2.1\n", ["4:10: zones[0].text: "]),
        ] {
            let found = mistakes(text)
            #expect(found.count == places.count, "\(found)")
            for (found, place) in zip(found, places) { #expect(found.hasPrefix("names.yaml:\(place)"), "\(found)") }
            #expect(mistakes(withReturns(text)) == found)
        }
    }

    @Test(
        "what is wrong in a zone file is told with its line and its column",
        arguments: [
            ("a A 192.0.2.1\nb A\nc A 192.0.2.3\n", "2:4"), ("a A ; none\nb A 192.0.2.1\n", "1:11"),
            ("a TXT \"b\nc A 192.0.2.1\n", "1:7"),
            ("a TXT \"b\\\nc A 192.0.2.1\"\n", "1:7"), ("a TXT b\\\nc A 192.0.2.1\n", "1:8"), ("a A (\n192.0.2.1\n\n", "1:5"),
            ("a A ( ; one\n 192.0.2.1\n ) x\n", "3:4"),
        ])
    func zones(_ text: String, _ place: String) throws {
        func faults(_ text: String) throws -> [String] {
            let file = ZoneFile(text, of: try #require(DomainName("example.org")))
            return file.faults.first.map { "\($0.line):\($0.column) \($0.reason)" }
        }
        let found = try faults(text)
        #expect(found.first?.hasPrefix("\(place) ") == true, "\(found)")
        #expect(try faults(withReturns(text)) == found)
    }
}
