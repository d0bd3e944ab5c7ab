import Glibc

/// `tulle-pod`: makes the namespaces of a pod and holds them, runs commands in them, and is the pod's server and client.
@main
struct Main {
    static func main() {
        // The threads of a Swift program block signals, and what they start inherits that: SIGTERM would not end an echo.
        Signals.unblockAll()
        var words = Words(CommandLine.arguments.dropFirst())
        let status: Int32
        do throws(Refusal) {
            switch words.next() {
            case "pause": status = try Pause(&words).run()
            case "run": status = try Run(&words).run()
            case "echo": status = try Echo(&words).run()
            case "ask": status = try Ask(&words).run()
            case "--version": status = say(version + "\n")
            case "--help", "-h", "help": status = say(help)
            case nil: throw .usage("it takes one of pause, run, echo and ask")
            case let word?: throw .usage("“\(word)” is not understood; it takes pause, run, echo or ask")
            }
        } catch {
            write(Array("tulle-pod: \(error)\n".utf8), to: STDERR_FILENO)
            exit(error.status)
        }
        exit(status)
    }

    static let version = "tulle-pod 0.1.0"

    private static let help = """
        \(version): makes the namespaces of a pod and holds them, runs commands in them, and is the pod's server and client.

        tulle-pod pause [--new net,mnt,uts,pid,ipc] [--hostname NAME] [--ready-fd N]
            Makes new namespaces (net,mnt,uts,pid,ipc unless said otherwise), brings up lo in a new net, mounts /proc in a new
            mnt with a new pid, prints the process id that holds them, and holds them until SIGTERM or SIGINT. It ends when
            the process that started it ends, however that ends. The id goes to descriptor N when one is named.

                tulle-pod pause --hostname web-0 --new net,uts

        tulle-pod run --join PID [--namespaces net,mnt,uts,pid,ipc] -- COMMAND [ARGUMENT …]
            Runs a command in the namespaces of a process: of these five, those that differ from ours, unless said otherwise.
            Exits as the command does; 128 + n when signal n ended it; 127 when there is no such command, 126 when it cannot
            be run, 125 when the namespaces cannot be entered.

                tulle-pod run --join 1234 -- ip address

        tulle-pod echo [--tcp PORT …] [--udp PORT …] [--name NAME] [--node NODE]
            Answers, over IPv4 and IPv6, every line, datagram and HTTP request with one line: who answers, whom it sees, on
            which address, and what was asked. Port 0 takes a free one; each port is printed when it is open.

                tulle-pod echo --tcp 80 --udp 53 --name web-0 --node node-1
                curl http://192.0.2.7/hello
                pod=web-0 node=node-1 protocol=http client=192.0.2.9:40312 local=192.0.2.7:80 request=GET /hello HTTP/1.1

        tulle-pod ask --tcp|--udp ADDRESS PORT [--message TEXT] [--timeout MILLISECONDS]
            Sends one line and prints a line of figures and the answer. Exits 0 when answered, 1 when refused, 2 when nothing
            came in time (2000 ms unless said otherwise), 3 when there is no way there.

                tulle-pod ask --tcp 192.0.2.7 80 --message hello
                rtt_us=184 local=192.0.2.9:40314
                pod=web-0 node=node-1 protocol=tcp client=192.0.2.9:40314 local=192.0.2.7:80 request=hello

        """
}
