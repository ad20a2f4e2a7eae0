<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use FFI;
use FFI\CData;
use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * The C library in this process: found, loaded, called. Nothing else in this package touches FFI.
 *
 * With `ffi.enable=preload` (the default of PHP-FPM) FFI works in preloaded code only; `preload.php` preloads this.
 *
 * @internal
 */
final class Library
{
    private const HEADER = __DIR__ . '/social_channel.ffi.h';
    /** What the loader of the system is asked for. */
    private const NAMES = ['Darwin' => 'libsocialchannel.dylib', 'Windows' => 'socialchannel.dll'];
    private const NAME = 'libsocialchannel.so';
    /** The file that names the library, before it is looked for. */
    public const VARIABLE = 'SOCIAL_CHANNEL_LIBRARY';

    /** @var array<string, self> by path */
    private static array $loaded = [];

    private function __construct(private readonly FFI $ffi, public readonly string $path)
    {
    }

    /**
     * Finds and loads the library, once in a process.
     *
     * @param string|null $path instead of looking for it
     *
     * @throws CallException `Unavailable` where FFI is off or nothing was found, `Incompatible` for another version
     */
    public static function load(?string $path): self
    {
        if (!extension_loaded('ffi')) {
            throw self::off('PHP was built without FFI', 'install the FFI extension');
        }
        $tried = [];
        foreach (self::candidates($path) as $candidate => $origin) {
            if (isset(self::$loaded[$candidate])) {
                return self::$loaded[$candidate];
            }
            if (str_contains($candidate, '/') && !is_file($candidate)) {
                $tried[] = "$candidate ($origin): no such file";
                continue;
            }
            try {
                return self::$loaded[$candidate] = self::open($candidate);
            } catch (FFI\Exception $error) {
                if (str_contains($error->getMessage(), 'ffi.enable')) {
                    $setting = (string) ini_get('ffi.enable');
                    throw self::off(
                        'FFI is off in this PHP (' . PHP_SAPI . ", ffi.enable=$setting)",
                        'set ffi.enable=1, or preload this package (opcache.preload=.../preload.php)',
                        $error,
                    );
                }
                if (str_contains($error->getMessage(), 'resolving C function')) {
                    throw self::mismatch($candidate, $error->getMessage());
                }
                $tried[] = "$candidate ($origin): {$error->getMessage()}";
            }
        }
        throw self::off(
            'libsocialchannel was not found: ' . implode('; ', $tried),
            'install the library, or name its file in `library` or in ' . self::VARIABLE,
        );
    }

    /**
     * Opens a host. What comes back is a handle for `call()`.
     *
     * @param array<string, mixed> $config
     */
    public function openHost(array $config): CData
    {
        $host = $this->ffi->new('struct socialchannel_host *[1]');
        $error = $this->ffi->new('struct socialchannel_error *[1]');
        $config = Writer::json($config ?: new \stdClass());
        $this->check($this->ffi->socialchannel_host_open(self::text($config), $host, $error), $error);
        return $host[0];
    }

    public function freeHost(CData $host): void
    {
        $this->ffi->socialchannel_host_free($host);
    }

    /**
     * Calls `socialchannel_host_NAME(host, ...arguments, char **out, error_out)` and reads the document.
     *
     * @return array<mixed>
     *
     * @throws CallException
     */
    public function document(string $name, CData $host, string|int|bool|null ...$arguments): array
    {
        $out = $this->ffi->new('char *[1]');
        $error = $this->ffi->new('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $this->check($this->ffi->$function($host, ...[...array_map(self::text(...), $arguments), $out, $error]), $error);
        return Json::read($this->take($out[0]));
    }

    /**
     * As `document()`, for a function that gives none.
     *
     * @throws CallException
     */
    public function run(string $name, CData $host, string|int|bool|null ...$arguments): void
    {
        $error = $this->ffi->new('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $this->check($this->ffi->$function($host, ...[...array_map(self::text(...), $arguments), $error]), $error);
    }

    /**
     * As `document()`, for a function that takes bytes with their length.
     *
     * @return array<mixed>
     *
     * @throws CallException
     */
    public function documentOfBytes(string $name, CData $host, string $bytes): array
    {
        $out = $this->ffi->new('char *[1]');
        $error = $this->ffi->new('struct socialchannel_error *[1]');
        $function = "socialchannel_host_$name";
        $given = $this->bytes($bytes);
        $this->check($this->ffi->$function($host, $given, strlen($bytes), $out, $error), $error);
        return Json::read($this->take($out[0]));
    }

    /**
     * @return array{array<mixed>, string} the reply's document, and its body
     *
     * @throws CallException
     */
    public function receiveWebhook(CData $host, string $app, string $request, string $body): array
    {
        $reply = $this->ffi->new('char *[1]');
        $answer = $this->ffi->new('uint8_t *[1]');
        $length = $this->ffi->new('size_t[1]');
        $error = $this->ffi->new('struct socialchannel_error *[1]');
        $status = $this->ffi->socialchannel_host_receive_webhook(
            $host,
            self::text($app),
            self::text($request),
            $this->bytes($body),
            strlen($body),
            $reply,
            $answer,
            $length,
            $error,
        );
        $this->check($status, $error);
        try {
            $bytes = FFI::string($answer[0], $length[0]);
        } finally {
            $this->ffi->socialchannel_bytes_free($answer[0], $length[0]);
        }
        return [Json::read($this->take($reply[0])), $bytes];
    }

    /** @return \Generator<string, string> files, and who named them */
    private static function candidates(?string $path): \Generator
    {
        $named = getenv(self::VARIABLE);
        if ($path !== null) {
            yield $path => 'the setting `library`';
        } elseif (is_string($named) && $named !== '') {
            yield $named => self::VARIABLE;
        } else {
            $name = self::NAMES[PHP_OS_FAMILY] ?? self::NAME;
            yield dirname(__DIR__, 2) . "/lib/$name" => 'beside this package';
            yield $name => "the system's libraries";
        }
    }

    private static function open(string $path): self
    {
        self::keep($path);
        $ffi = FFI::cdef((string) file_get_contents(self::HEADER), $path);
        $number = $ffi->socialchannel_version_number();
        // Before 1.0 the minor version is the one that breaks.
        $line = intdiv($number, $number < 1_000_000 ? 1_000 : 1_000_000);
        if ($line !== ($ffi->SOCIALCHANNEL_VERSION_MAJOR ?: $ffi->SOCIALCHANNEL_VERSION_MINOR)) {
            throw self::mismatch($path, 'it is version ' . FFI::string($ffi->socialchannel_version_text()));
        }
        return new self($ffi, $path);
    }

    /** PHP unloads libraries when a request ends. This one has threads, so its code must stay. */
    private static function keep(string $path): void
    {
        $stay = ['Linux' => 0x1000, 'Darwin' => 0x80][PHP_OS_FAMILY] ?? null;
        if ($stay !== null) {
            FFI::cdef('void *dlopen(const char *path, int flags);')->dlopen($path, 2 | $stay);
        }
    }

    private function bytes(string $bytes): ?CData
    {
        if ($bytes === '') {
            return null;
        }
        $given = $this->ffi->new('uint8_t[' . strlen($bytes) . ']');
        FFI::memcpy($given, $bytes, strlen($bytes));
        return $given;
    }

    private function take(CData $text): string
    {
        try {
            return FFI::string($text);
        } finally {
            $this->ffi->socialchannel_string_free($text);
        }
    }

    private function check(int $status, CData $error): void
    {
        if ($status === 0) {
            return;
        }
        try {
            $json = $this->ffi->socialchannel_error_json($error[0]);
            $json = $json instanceof CData ? FFI::string($json) : $json;
        } finally {
            $this->ffi->socialchannel_error_free($error[0]);
        }
        throw CallException::from(Reader::read(Error::class, Json::read((string) $json)));
    }

    private static function text(string|int|bool|null $argument): string|int|bool|null
    {
        if (is_string($argument) && str_contains($argument, "\0")) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                'text for the library holds a NUL byte',
                'give text without NUL bytes',
                'nul_byte',
            ));
        }
        return $argument;
    }

    private static function off(string $message, string $remedy, ?\Throwable $cause = null): CallException
    {
        return CallException::from(new Error(ErrorKind::Unavailable, $message, $remedy, 'ffi_unavailable'), $cause);
    }

    private static function mismatch(string $path, string $why): CallException
    {
        return CallException::from(new Error(
            ErrorKind::Incompatible,
            "the library $path does not fit this package: $why",
            'install a library and a package of the same version',
        ));
    }
}
