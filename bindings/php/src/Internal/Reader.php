<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * Reads the library's documents into the package's types, using their constructors.
 *
 * Members that a newer library adds are skipped. A missing member, or one of the wrong type, is a bug or an
 * incompatible library, and is reported as such.
 *
 * @internal
 */
final class Reader
{
    /** @var array<class-string, list<array{string, string, bool, ?class-string}>> */
    private static array $plans = [];

    /**
     * @template T of object
     *
     * @param class-string<T> $class
     * @param Calls|null $calls the transport for objects that make calls
     *
     * @return T
     */
    public static function read(string $class, mixed $document, ?Calls $calls = null): object
    {
        if (!is_array($document)) {
            throw self::unreadable($class, 'is not an object');
        }
        $arguments = [];
        foreach (self::plan($class) as [$name, $type, $nullable, $item]) {
            if ($type === Calls::class) {
                $arguments[] = $calls;
                continue;
            }
            $value = $document[$name] ?? null;
            if ($value === null) {
                $arguments[] = match (true) {
                    $nullable => null,
                    $type === 'array' => [],
                    default => throw self::unreadable($class, "has no member `$name`"),
                };
                continue;
            }
            $arguments[] = self::value($class, $name, $type, $item, $value, $calls);
        }
        return new $class(...$arguments);
    }

    /**
     * @template T of object
     *
     * @param class-string<T> $class
     *
     * @return list<T>
     */
    public static function list(string $class, mixed $document, ?Calls $calls = null): array
    {
        if (!is_array($document) || !array_is_list($document)) {
            throw self::unreadable($class, 'is not a list');
        }
        return array_map(static fn (mixed $item): object => self::read($class, $item, $calls), $document);
    }

    private static function value(
        string $class,
        string $name,
        string $type,
        ?string $item,
        mixed $value,
        ?Calls $calls,
    ): mixed {
        $fits = match ($type) {
            'string' => is_string($value),
            'bool' => is_bool($value),
            'int', 'float' => is_int($value) || is_float($value),
            'mixed' => true,
            default => $type !== 'array' || is_array($value),
        };
        if (!$fits) {
            throw self::unreadable($class, "has a `$name` that is not of the type $type");
        }
        return match (true) {
            // The library's numbers go up to 2^64; larger ones than PHP supports become PHP_INT_MAX.
            $type === 'int' => is_float($value) ? ($value >= PHP_INT_MAX ? PHP_INT_MAX : (int) $value) : $value,
            $type === 'float' => (float) $value,
            $type === 'array' && $item !== null => self::list($item, $value, $calls),
            is_a($type, \BackedEnum::class, true) => self::case($class, $name, $type, $value),
            class_exists($type) => self::read($type, $value, $calls),
            default => $value,
        };
    }

    /** @param class-string<\BackedEnum> $enum */
    private static function case(string $class, string $name, string $enum, mixed $value): \BackedEnum
    {
        $case = is_string($value) ? $enum::tryFrom($value) : null;
        if ($case === null && $enum === ErrorKind::class) {
            return ErrorKind::Other;
        }
        return $case ?? throw self::unreadable($class, "has an unknown `$name`");
    }

    /** @return list<array{string, string, bool, ?class-string}> */
    private static function plan(string $class): array
    {
        return self::$plans[$class] ??= array_map(
            static function (\ReflectionParameter $parameter): array {
                $type = $parameter->getType();
                assert($type instanceof \ReflectionNamedType);
                $item = $parameter->getAttributes(ListOf::class)[0] ?? null;
                return [
                    Name::inDocument($parameter->getName()),
                    $type->getName(),
                    $type->allowsNull(),
                    $item?->newInstance()->class,
                ];
            },
            (new \ReflectionMethod($class, '__construct'))->getParameters(),
        );
    }

    private static function unreadable(string $class, string $what): CallException
    {
        $name = substr((string) strrchr($class, '\\'), 1);
        return CallException::from(new Error(
            ErrorKind::Incompatible,
            "the library's document $name $what",
            'use a library and a package of the same version',
        ));
    }
}
