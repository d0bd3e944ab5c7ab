import KubeAPI
import Testing

struct NameRuleTests {
    static let table: [(NameRule, String, Int)] = [
        (.dnsLabel, "a", 0), (.dnsLabel, "my-name", 0), (.dnsLabel, "123", 0), (.dnsLabel, String(repeating: "a", count: 63), 0),
        (.dnsLabel, "", 1), (.dnsLabel, "A", 1), (.dnsLabel, "-a", 1), (.dnsLabel, "a-", 1), (.dnsLabel, "a.b", 1),
        (.dnsLabel, "ä", 1),
        (.dnsLabel, "a_b", 1), (.dnsLabel, String(repeating: "a", count: 64), 1),
        (.dnsLabel, String(repeating: "-", count: 64), 2),
        (.dnsSubdomain, "a.b", 0), (.dnsSubdomain, "1.2", 0), (.dnsSubdomain, "a..b", 1), (.dnsSubdomain, ".a", 1),
        (.dnsSubdomain, "a.", 1),
        (.dnsSubdomain, "a.-b", 1), (.dnsSubdomain, "A.b", 1), (.dnsSubdomain, String(repeating: "a", count: 254), 1),
        (.qualifiedName, "a", 0), (.qualifiedName, "A_b.c-9", 0), (.qualifiedName, "example.com/MyName", 0),
        (.qualifiedName, "", 2),
        (.qualifiedName, "/a", 1), (.qualifiedName, "a/", 2), (.qualifiedName, "a/b/c", 1), (.qualifiedName, "A/b", 1),
        (.qualifiedName, "_a", 1),
        (.qualifiedName, String(repeating: "a", count: 64), 1),
        (.labelValue, "", 0), (.labelValue, "a", 0), (.labelValue, "A.b_c-1", 0), (.labelValue, "-", 1), (.labelValue, "a b", 1),
        (.labelValue, String(repeating: "a", count: 64), 1),
        (.portName, "http", 0), (.portName, "a1-b", 0), (.portName, "80", 1), (.portName, "", 2), (.portName, "HTTP", 2),
        (.portName, "a--b", 1),
        (.portName, "-a", 1), (.portName, "a-", 1), (.portName, "abcdefghijklmnop", 1),
        (.environmentName, "PATH", 0), (.environmentName, "1 odd/name", 0), (.environmentName, "", 1),
        (.environmentName, "A=B", 1),
        (.environmentName, "é", 1), (.environmentName, "a\n", 1),
        (.pathSegment, "system:node", 0), (.pathSegment, "A b", 0), (.pathSegment, ".", 1), (.pathSegment, "..", 1),
        (.pathSegment, "a/b%", 2),
    ]

    @Test("names are right or have this many faults", arguments: table)
    func names(_ rule: NameRule, _ text: String, _ faults: Int) {
        #expect(rule.faults(in: text).count == faults, "\(rule.faults(in: text))")
    }

    @Test("every rule is in the table, with a right and a wrong name")
    func complete() {
        #expect(Set(Self.table.filter { $0.2 == 0 }.map(\.0)) == Set(NameRule.allCases))
        #expect(Set(Self.table.filter { $0.2 > 0 }.map(\.0)) == Set(NameRule.allCases))
    }

    @Test("the words are kube-apiserver's")
    func wording() {
        #expect(
            NameRule.dnsLabel.faults(in: "A") == [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
                    + "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ])
        #expect(
            NameRule.dnsSubdomain.faults(in: "A").first?.hasSuffix(
                #"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#) == true)
        #expect(NameRule.labelValue.faults(in: "-").first?.hasSuffix("'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')") == true)
        #expect(NameRule.dnsLabel.faults(in: String(repeating: "a", count: 64)) == ["must be no more than 63 characters"])
    }
}
