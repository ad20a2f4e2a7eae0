<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A proxy before the service that keeps connections open. For methods other than GET it forwards the request and closes
 * the connection without a response, like a proxy that is restarted at the wrong moment. It prints one line per
 * forwarded request.
 */
final class Proxy
{
    private const SCRIPT = <<<'PHP'
        $server = stream_socket_server('tcp://127.0.0.1:0');
        echo stream_socket_get_name($server, false), "\n";
        $open = [];
        while (true) {
            $ready = [$server, ...$open];
            $none = null;
            if (stream_select($ready, $none, $none, 60) < 1) {
                exit(1);
            }
            foreach ($ready as $stream) {
                if ($stream === $server) {
                    $open[] = stream_socket_accept($server);
                    continue;
                }
                $head = stream_get_line($stream, 1 << 20, "\r\n\r\n");
                if ($head === false || $head === '') {
                    $open = array_filter($open, fn ($one) => $one !== $stream);
                    fclose($stream);
                    continue;
                }
                $size = preg_match('/\r\ncontent-length: (\d+)/i', $head, $found) === 1 ? (int) $found[1] : 0;
                $body = $size === 0 ? '' : (string) stream_get_contents($stream, $size);
                echo strtok($head, "\r"), "\n";
                $up = stream_socket_client($argv[1]);
                fwrite($up, preg_replace('/\r\nconnection:[^\r]*/i', '', $head) . "\r\nConnection: close\r\n\r\n" . $body);
                $answer = (string) stream_get_contents($up);
                if (str_starts_with($head, 'GET ')) {
                    fwrite($stream, preg_replace('/\r\nconnection:[^\r]*/i', '', $answer, 1));
                } else {
                    $open = array_filter($open, fn ($one) => $one !== $stream);
                    fclose($stream);
                }
            }
        }
        PHP;

    public readonly string $address;
    public readonly Program $program;

    public function __construct(string $service)
    {
        $up = str_starts_with($service, 'unix:') ? 'unix://' . substr($service, 5) : $service;
        $this->program = new Program([PHP_BINARY, '-r', self::SCRIPT, '--', $up]);
        $this->address = 'http://' . $this->program->line();
    }
}
