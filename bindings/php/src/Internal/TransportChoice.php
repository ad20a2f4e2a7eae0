<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Exception\UnavailableException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\TransportKind;

/**
 * Which way to the library, and why.
 *
 * | the configuration | the way |
 * | --- | --- |
 * | `transport` is given | that one |
 * | names a service, and nothing of a library in this process | the service |
 * | otherwise | FFI where it works, else the service if one is named |
 *
 * @internal
 */
final class TransportChoice
{
    /** Names the service, where the configuration does not. */
    public const SERVICE_VARIABLE = 'SOCIAL_CHANNEL_SERVICE';
    /** Its key; over a Unix socket none is needed. */
    public const KEY_VARIABLE = 'SOCIAL_CHANNEL_API_KEY';
    /** Members of the configuration that are this package's own. The others are the library's. */
    private const OWN = ['transport' => 1, 'library' => 1, 'service' => 1, 'api_key' => 1];
    /** Members that say that the library is to run in this process. */
    private const IN_PROCESS = ['data' => 1, 'database' => 1, 'library' => 1];

    /** @param array<string, mixed> $config */
    public static function make(array $config): Transport
    {
        $kind = self::kind($config['transport'] ?? null);
        $service = self::text($config, 'service', self::SERVICE_VARIABLE);
        if ($kind === TransportKind::Http) {
            return self::http($config, $service, 'the configuration asks for it');
        }
        if ($kind === TransportKind::Ffi) {
            return self::ffi($config, 'the configuration asks for it');
        }
        if ($service !== null && array_intersect_key($config, self::IN_PROCESS) === []) {
            return self::http($config, $service, 'a service is named, and no data folder for this process');
        }
        try {
            $library = Library::load(self::text($config, 'library', null));
        } catch (UnavailableException $error) {
            if ($service === null) {
                throw CallException::from(new Error(
                    ErrorKind::Misconfigured,
                    "there is no way to the library: {$error->getMessage()}; and no service is named",
                    "$error->remedy; or start `social-channel serve --listen unix:/run/social-channel.sock` and name "
                        . "that address in `service` or " . self::SERVICE_VARIABLE,
                    'no_transport',
                    'transport',
                ), $error);
            }
            return self::http($config, $service, $error->getMessage());
        }
        return self::open($library, $config, 'FFI is on in this PHP (' . PHP_SAPI . ')');
    }

    /** Whether jobs of this host need a worker: nobody drives them in the background. */
    public static function needsWorker(Transport $transport, array $config): bool
    {
        return $transport instanceof FfiTransport && (self::library($config)['background'] ?? true) === false;
    }

    /** @param array<string, mixed> $config */
    private static function ffi(array $config, string $why): Transport
    {
        return self::open(Library::load(self::text($config, 'library', null)), $config, $why);
    }

    /** @param array<string, mixed> $config */
    private static function open(Library $library, array $config, string $why): Transport
    {
        return new FfiTransport($library, self::library($config), $why);
    }

    /**
     * The library's part of the configuration.
     *
     * @param array<string, mixed> $config
     *
     * @return array<string, mixed>
     */
    private static function library(array $config): array
    {
        $config = array_diff_key($config, self::OWN);
        // The processes of web servers are killed at will: jobs are stored there, and driven by a worker.
        return $config + (PHP_SAPI === 'cli' ? [] : ['background' => false]);
    }

    /** @param array<string, mixed> $config */
    private static function http(array $config, ?string $service, string $why): Transport
    {
        if ($service === null) {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                'no service is named',
                'name its address in `service` or ' . self::SERVICE_VARIABLE,
                field: 'service',
            ));
        }
        if (!extension_loaded('curl')) {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                "the service at $service cannot be called: this PHP has no curl",
                'install the extension (Debian: php-curl)',
                'no_curl',
            ));
        }
        return new HttpTransport(new HttpClient($service, self::text($config, 'api_key', self::KEY_VARIABLE)), $why);
    }

    private static function kind(mixed $given): ?TransportKind
    {
        if ($given === null || $given === 'auto' || $given instanceof TransportKind) {
            return $given === 'auto' ? null : $given;
        }
        return (is_string($given) ? TransportKind::tryFrom($given) : null) ?? throw self::wrong(
            'transport',
            'write auto, ffi or http',
        );
    }

    /** @param array<string, mixed> $config */
    private static function text(array $config, string $name, ?string $variable): ?string
    {
        $given = $config[$name] ?? ($variable === null ? null : getenv($variable));
        if ($given === null || $given === false || $given === '') {
            return null;
        }
        return is_string($given) ? $given : throw self::wrong($name, 'write text');
    }

    private static function wrong(string $name, string $remedy): CallException
    {
        $message = "the setting `$name` is not what it must be";
        return CallException::from(new Error(ErrorKind::Misconfigured, $message, $remedy, field: $name));
    }
}
