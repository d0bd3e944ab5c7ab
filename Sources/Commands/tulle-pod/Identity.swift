import CLinux
import Glibc

/// Who a command runs as.
struct Identity {
    let user: UInt32
    let group: UInt32
    /// Another group that it is in.
    let another: UInt32?

    /// Reads `1000`, `1000:1000` or `1000:1000:2000`; without a group it is 0.
    ///
    /// - Parameter command: the subcommand whose option it is.
    init(_ text: String, in command: String) throws(Refusal) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard (1...3).contains(parts.count), !parts.contains(nil), let user = parts[0] else {
            throw .usage("\(command): --user “\(text)” is not USER, USER:GROUP or USER:GROUP:GROUP in numbers")
        }
        (self.user, group, another) = (user, parts.count > 1 ? parts[1] ?? 0 : 0, parts.count > 2 ? parts[2] : nil)
    }

    /// - Returns: whether it succeeded; otherwise `errno` says why.
    func become() -> Bool {
        guard let another else { return clinux_become(user, group) == 0 }
        // With another user the kernel forgets that we are to die with our parent.
        return setgroups(1, [another]) == 0 && setgid(group) == 0 && setuid(user) == 0 && clinux_die_with_parent() == 0
    }
}
