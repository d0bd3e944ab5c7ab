import Addressing
import DNS
import NameServer
import Testing

@Suite("the configuration of a name server")
struct ConfigurationTests {
    private func read(_ text: String, files: [String: String] = [:]) throws -> NameServerConfiguration {
        try NameServerConfiguration(text) { path in files[path].map(FollowedFile.Reading.text) ?? .unreadable(2) }
    }

    private func mistakes(_ text: String, files: [String: String] = [:]) -> [String] {
        do {
            _ = try read(text, files: files)
            return []
        } catch let error as NameServerConfigurationError {
            return error.mistakes.map(\.description)
        } catch { return ["\(error)"] }
    }

    @Test("an empty document means everything as usual", arguments: ["", "# nothing\n", "---\n", "{}"])
    func empty(_ text: String) throws {
        let configuration = try read(text)
        #expect(configuration == NameServerConfiguration())
        #expect(configuration.clusterDomain.description == "cluster.local." && configuration.resolverFile == "/etc/resolv.conf")
    }

    @Test("every key is read")
    func whole() throws {
        let configuration = try read(Self.whole, files: ["/etc/names/lab.zone": "printer A 192.0.2.9\n"])
        #expect(configuration.clusterDomain.description == "k8s.example.")
        #expect(configuration.listen?.addresses == [.any(.v4), .any(.v6)] && configuration.listen?.port == 5353)
        #expect(configuration.ttl == 30 && configuration.pods == .verified && !configuration.collapsesSearch)
        #expect(configuration.log == .all && configuration.rateLimit?.responsesPerSecond == 50)
        #expect(configuration.rateLimit?.exempt.map(\.description) == ["192.0.2.0/24"])
        #expect(configuration.cache.byteLimit == 16 << 20 && configuration.cache.prefetch == .init(leastUses: 2, percentage: 20))
        #expect(configuration.cache.answers == .seconds(5)...(.seconds(600)) && configuration.cache.stale == .zero)
        let settings = configuration.forwarding(nil, listening: [], domains: [])
        #expect(settings.upstreams.map(\.description) == ["192.0.2.53", "tcp://[2001:db8::53]:5353"])
        #expect(settings.order == .sequential && settings.randomizesCase && settings.upstreams.allSatisfy(\.isTrusted))
        #expect(settings.patience == .milliseconds(2500) && settings.mostUnderWay == 200)
        #expect(settings.stubs.map(\.domain.description) == ["corp.example."])
        #expect(
            configuration.custom.hosts.records.filter { $0.type != .ptr }.map(\.description) == [
                "db.corp.example. 60 IN A 192.0.2.10", "db.corp.example. 60 IN AAAA 2001:db8::10", "a.example. 60 IN A 192.0.2.1",
                "b.example. 60 IN A 192.0.2.1",
            ])
        #expect(configuration.custom.zones.map(\.apex.description) == ["lab.example.", "custom.shop.svc.k8s.example."])
        #expect(configuration.custom.zones[0].records.map(\.description) == ["printer.lab.example. 3600 IN A 192.0.2.9"])
        #expect(configuration.custom.zones[0].passesOn && configuration.custom.zones[1].records.count == 2)
    }

    private static let whole = """
        clusterDomain: k8s.example
        listen: {addresses: [0.0.0.0, "::"], port: 5353}
        ttl: 30s
        pods: verified
        searchCollapse: false
        log: all
        rateLimit: {responsesPerSecond: 50, exempt: [192.0.2.0/24]}
        forward:
          upstreams: [192.0.2.53, "tcp://[2001:db8::53]:5353"]
          policy: sequential
          tcpOnly: false
          trustAD: true
          randomCase: true
          timeout: 2500ms
          concurrency: 200
        stubs:
          - domain: corp.example
            upstreams: 192.0.2.54
        hosts:
          ttl: 1m
          entries:
            db.corp.example: [192.0.2.10, "2001:db8::10"]
          text: |
            192.0.2.1 a.example b.example   # two names
        zones:
          - name: lab.example
            file: /etc/names/lab.zone
            passOn: true
          - name: custom.shop.svc.k8s.example
            text: |
              one A 192.0.2.1
              two A 192.0.2.2
        cache:
          size: 16Mi
          answers: {floor: 5s, ceiling: 10m}
          denials: {ceiling: 1m}
          failures: 1s
          stale: 0
          prefetch: {uses: 2, percentage: 20}
        """

    @Test("a port alone is listened at on all addresses")
    func portAlone() throws {
        let listen = try NameServerConfiguration("listen: {port: 5353}").listen
        #expect(listen?.addresses == [] && listen?.port == 5353)
    }

    @Test(
        "a mistake has its line, its column, its key and a remedy",
        arguments: [
            ("forwrd: {}", "names.yaml:1:1: \"forwrd\" is unknown here; did you mean forward?"),
            ("cache:\n  prefech: 1", "names.yaml:2:3: cache: \"prefech\" is unknown here; did you mean prefetch?"),
            (
                "listen: {addresses: 192.0.2.1, host: x}",
                "names.yaml:1:32: listen: \"host\" is unknown here; known are addresses, port"
            ),
            ("ttl: soon", "names.yaml:1:6: ttl: a time from 0 to 7d, such as 250ms, 30s, 5m or 1h, is wanted, not \"soon\""),
            ("pods: all", "names.yaml:1:7: pods: disabled, insecure or verified is wanted, not \"all\""),
            ("searchCollapse: yes", "names.yaml:1:17: searchCollapse: true or false is wanted, not \"yes\""),
            (
                "clusterDomain: a..b",
                "names.yaml:1:16: clusterDomain: a domain name of at most 150 characters, such as cluster.local, is wanted, not \"a..b\""
            ),
            (
                "clusterDomain: .",
                "names.yaml:1:16: clusterDomain: a domain name of at most 150 characters, such as cluster.local, is wanted, not \".\""
            ),
            (
                "log: {queries: all, lines: 3}",
                "names.yaml:1:21: log: \"lines\" is unknown here; known are queries, linesPerSecond"
            ),
            (
                "log: {queries: all, linesPerSecond: 0}",
                "names.yaml:1:37: log.linesPerSecond: a number from 1 to 100000 is wanted, not \"0\""
            ),
            (
                "rateLimit: true",
                "names.yaml:1:12: rateLimit: a map with responsesPerSecond, exempt is wanted, not \"true\""
            ),
            (
                "listen: {addresses: 192.0.2.1, port: 70000}",
                "names.yaml:1:38: listen.port: a number from 1 to 65535 is wanted, not \"70000\""
            ),
            (
                "forward:\n  upstreams:\n    - 192.0.2.1\n    - dns.example",
                "names.yaml:4:7: forward.upstreams[1]: an address such as 192.0.2.53, [2001:db8::53]:5353 or tcp://192.0.2.53 is wanted, not \"dns.example\""
            ),
            ("stubs:\n  - upstreams: 192.0.2.1", "names.yaml:2:5: stubs[0]: domain is missing"),
            (
                "stubs:\n  - domain: a.example\n    upstreams: []",
                "names.yaml:2:5: stubs[0]: a stub without upstreams; name one at least"
            ),
            (
                "forward: fast",
                "names.yaml:1:10: forward: a map with upstreams, resolverFile, policy, tcpOnly, trustAD, randomCase, timeout, concurrency is wanted, not \"fast\""
            ),
            ("cache: {size: 2Gi}", "names.yaml:1:15: cache.size: a size up to 1024Mi, such as 8Mi, is wanted, not \"2Gi\""),
            ("cache: {answers: {floor: 2h, ceiling: 1h}}", "names.yaml:1:18: cache.answers: the floor is above the ceiling"),
            (
                "hosts:\n  entries: {a.example: 192.0.2.300}",
                "names.yaml:2:24: hosts.entries.a.example: an address is wanted, not \"192.0.2.300\""
            ),
            (
                "hosts:\n  text: |\n    192.0.2.1 a\n    here b",
                "names.yaml:4:5: hosts.text: here is no address; a line is an address and then its names"
            ),
            (
                "zones:\n  - name: lab.example\n    text: |\n      a A 192.0.2.1\n      b A 192.0.2",
                "names.yaml:5:11: zones[0].text: 192.0.2 is not an IPv4 address"
            ),
            (
                "zones:\n  - name: lab.example\n    file: /gone",
                "names.yaml:3:11: zones[0].file: read /gone: No such file or directory"
            ),
            (
                "zones:\n  - name: lab.example\n    file: /bad",
                "names.yaml:3:11: zones[0].file: /bad:2:1: x.example.net. is not in the zone lab.example."
            ),
            (
                "zones:\n  - name: cluster.local\n    text: \"@ SOA ns admin 1 2 3 4 5\"",
                "names.yaml:3:11: zones[0].text: cluster.local. is a part of cluster.local., which has an SOA record already: leave this one out"
            ),
            ("ttl: 5s\nttl: 6s", "names.yaml:2:1: ttl: written twice in one map"),
            (
                "hosts: {text: \"size: 1\"}\ncache:\n  size: 8Mi\n  answers: {size: 1}\n  # size: 2\n  'size': 9Mi\n  size: 1Mi",
                "names.yaml:6:3: size: written twice in one map"
            ),
            ("cache: {size: 8Mi, stale: 0, size: 9Mi}", "names.yaml:1:30: size: written twice in one map"),
            // Other keys are found, with the first of them.
            ("ttl: 5s\npods: disabled\npods: disabled\nttl: 6s", "names.yaml:3:1: pods, ttl: written twice in one map"),
            // No place of it can be found in the text.
            ("\"t\\u0074l\": 5s\n\"\\u0074tl\": 5s", "names.yaml:1:1: ttl: written twice in one map"),
            ("a: [", "names.yaml:2:1: did not find expected node content"),
            ("ttl: 5s\n---\nttl: 6s", "names.yaml:3:1: a second document; a configuration is one"),
        ] as [(String, String)])
    func mistake(_ text: String, _ expected: String) {
        #expect(mistakes(text, files: ["/bad": "a A 192.0.2.1\nx.example.net. A 192.0.2.1\n"]) == [expected])
    }

    @Test("all mistakes are told at once, in the order of their places")
    func all() {
        let found = mistakes(
            "ttl: x\npods: y\nzones:\n  - name: lab.example\n    text: |\n      a A 1\n      b B 2\ncache: {sise: 1}")
        #expect(
            found.map { $0.split(separator: ":").dropFirst().prefix(2).joined(separator: ":") } == [
                "1:6", "2:7", "6:11", "7:9", "8:9",
            ])
    }

    @Test("a resolver's file is read as the C library reads it")
    func resolver() {
        let file = ResolverFile(
            """
            # by hand
            domain old.example
            search a.example b.example
            nameserver 192.0.2.1
            nameserver fe80::1%eth0
            nameserver 192.0.2.1
            nameserver dns.example
            options ndots:5 rotate trust-ad
            options use-vc ; comment
            lookup file
            """)
        #expect(file.nameServers.map(\.description) == ["192.0.2.1", "fe80::1%eth0"])
        #expect(file.search.map(\.description) == ["a.example.", "b.example."])
        #expect(file.dots == 5 && file.has("rotate") && file.option("timeout") == nil)
        #expect(file.faults.map(\.line) == [7, 10])
        #expect(ResolverFile(usable: .text("search a.example")) == nil && ResolverFile(usable: .unreadable(2)) == nil)
        var settings = ForwardingSettings()
        file.apply(to: &settings)
        #expect(settings.order == .random && settings.upstreams.allSatisfy { $0.isTCPOnly && $0.isTrusted })
    }

    @Test(
        "an upstream is read as it is written",
        arguments: [
            "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "fe80::1%eth0", "[fe80::1%eth0]:5353",
            "tcp://192.0.2.1",
        ])
    func upstream(_ text: String) { #expect(Upstream(text)?.description == text) }

    @Test(
        "what is no upstream is refused",
        arguments: ["", "dns.example", "192.0.2.1:0", "192.0.2.1%eth0", "fe80::1%", "udp://192.0.2.1", "192.0.2.1:"])
    func noUpstream(_ text: String) { #expect(Upstream(text) == nil) }
}

@Suite("custom names")
struct CustomNameTests {
    private func configured(_ text: String) throws -> CustomNames { try NameServerConfiguration(text).custom }

    private func cluster() throws -> Zone {
        let apex = try #require(DomainName("cluster.local"))
        var zone = Zone(apex, authority: StartOfAuthority(primary: apex, mailbox: apex, serial: 1), nameServers: [apex])
        zone.replace("shop/web", with: [Record(try name("web.shop.svc.cluster.local"), .a(IPv4Address(192, 0, 2, 1)))])
        return zone
    }

    private func name(_ text: String) throws -> DomainName { try #require(DomainName(text)) }

    private func ask(_ text: String, _ zones: Zones) throws -> String { try ask(text, .a, zones) }

    /// The answer in a few words, or `outside`.
    private func ask(_ text: String, _ type: RecordType, _ zones: Zones) throws -> String {
        var answering = Answering()
        let query = Message.query(Question(try name(text), type), id: 1)
        let (outcome, bytes) = answering.answer(query.bytes(), from: zones, Circumstances(forwards: true))
        if case .outside = outcome { return "outside" }
        let message = try Message(bytes)
        return ([message.responseCode.description] + message.answers.map { "\($0.data)" }.sorted()).joined(separator: " ")
    }

    @Test("names inside the cluster's zone stand beside what the cluster has, and never hide it")
    func inside() throws {
        var zones = Zones([try cluster()])
        let names = try configured(
            """
            zones:
              - name: web.shop.svc.cluster.local
                text: |
                  @       A 192.0.2.99
                  primary A 192.0.2.1
                  backup  A 192.0.2.2
            hosts: {entries: {extra.shop.svc.cluster.local: 192.0.2.7}}
            """)
        names.apply(to: &zones, insteadOf: nil)
        #expect(try ask("web.shop.svc.cluster.local", zones) == "NOERROR 192.0.2.1 192.0.2.99")
        #expect(try ask("primary.web.shop.svc.cluster.local", zones) == "NOERROR 192.0.2.1")
        #expect(try ask("extra.shop.svc.cluster.local", zones) == "NOERROR 192.0.2.7")
        #expect(zones.count == 1 && zones.hosts.count == 2, "the name and its address")
        let before = try #require(zones[try name("cluster.local")])
        names.apply(to: &zones, insteadOf: names)
        #expect(zones[try name("cluster.local")]?.records == before.records && zones.count == 1)
        CustomNames().apply(to: &zones, insteadOf: names)
        #expect(try ask("web.shop.svc.cluster.local", zones) == "NOERROR 192.0.2.1")
        #expect(try ask("extra.shop.svc.cluster.local", zones) == "NXDOMAIN")
        #expect(zones.count == 1 && zones.hosts.isEmpty)
    }

    @Test("a host's name is one name: others, and those below it, are asked for outside")
    func hosts() throws {
        var zones = Zones([try cluster()])
        let names = try configured("hosts: {text: \"192.0.2.1 db.example.org db2.example.org\"}")
        names.apply(to: &zones, insteadOf: nil)
        #expect(try ask("db.example.org", zones) == "NOERROR 192.0.2.1")
        #expect(try ask("DB2.example.org", zones) == "NOERROR 192.0.2.1")
        #expect(try ask("db.example.org", .aaaa, zones) == "NOERROR")
        #expect(try ask("x.db.example.org", zones) == "outside")
        #expect(try ask("example.org", zones) == "outside")
        #expect(try ask("1.2.0.192.in-addr.arpa", .ptr, zones) == "NOERROR db.example.org.")
    }

    @Test("many hosts are served, named by several lines, and go again")
    func manyHosts() throws {
        var zones = Zones([try cluster()])
        let lines = (0..<5000).map { "192.0.2.1 h\($0).example.org\n192.0.2.2 x.h\($0).example.org h\($0).example.org\n" }
        let names = try NameServerConfiguration("hosts: {file: /h}") { _ in .text(lines.joined()) }.custom
        names.apply(to: &zones, insteadOf: nil)
        #expect(try zones.count == 1 && zones.hosts.count == 10_002 && zones.closedApexes == [name("cluster.local")])
        names.apply(to: &zones, insteadOf: names)
        #expect(zones.hosts.count == 10_002)
        #expect(try ask("h4999.example.org", zones) == "NOERROR 192.0.2.1 192.0.2.2")
        #expect(try ask("x.h17.example.org", zones) == "NOERROR 192.0.2.2")
        CustomNames().apply(to: &zones, insteadOf: names)
        #expect(try zones.hosts.isEmpty && zones.closedApexes == [name("cluster.local")])
    }

    @Test("a zone of its own answers for all its names, or passes on what it does not have")
    func zones() throws {
        for (passOn, missing) in [(false, "NXDOMAIN"), (true, "outside")] {
            var zones = Zones([try cluster()])
            try configured("zones: [{name: lab.example, text: \"a A 192.0.2.1\", passOn: \(passOn)}]").apply(
                to: &zones, insteadOf: nil)
            #expect(try ask("a.lab.example", zones) == "NOERROR 192.0.2.1")
            #expect(try ask("b.lab.example", zones) == missing)
            #expect(try ask("lab.example", .soa, zones).hasPrefix("NOERROR lab.example. hostmaster.lab.example. 1"))
            #expect(try ask("lab.example", .ns, zones) == "NOERROR lab.example.")
        }
    }
}
